// Mixture of two normal distributions with ordered means.
data {
  int<lower=0> N;
  vector[N] y;
}
transformed data {
  real log_root_two_pi = 0.5 * log(2 * pi());
}
parameters {
  ordered[2] mu;
  vector<lower=0>[2] sigma;
  real<lower=0, upper=1> theta;
}
model {
  // Vectorised over y, which is faster than log_mix for each element.
  vector[N] first = log(theta / sigma[1])
                    - 0.5 * square((y - mu[1]) / sigma[1]);
  vector[N] second = log((1 - theta) / sigma[2])
                     - 0.5 * square((y - mu[2]) / sigma[2]);
  sigma ~ normal(0, 2);
  mu ~ normal(0, 2);
  theta ~ beta(5, 5);
  target += sum(log_sum_exp(first, second)) - N * log_root_two_pi;
}
