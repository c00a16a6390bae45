// Mixture of two Poisson distributions, whose components can change places.
data {
  int<lower=0> N;
  array[N] int<lower=0> y;
}
parameters {
  vector<lower=0>[2] lambda;
  real<lower=0, upper=1> theta;
}
model {
  lambda ~ gamma(2, 0.3);
  theta ~ beta(2, 2);
  for (n in 1 : N) {
    target += log_mix(theta, poisson_lpmf(y[n] | lambda[1]), poisson_lpmf(y[n] | lambda[2]));
  }
}
