// Mixture of normal distributions of one scale, whose components can change places: K! modes.
data {
  int<lower=2> K;
  int<lower=0> N;
  vector[N] y;
}
parameters {
  vector[K] mu;
  real<lower=0> sigma;
  simplex[K] theta;
}
model {
  mu ~ normal(0, 3);
  sigma ~ normal(0, 1);
  theta ~ dirichlet(rep_vector(2, K));
  {
    matrix[N, K] log_terms;
    for (k in 1 : K) {
      log_terms[ : , k] = log(theta[k]) - 0.5 * square((y - mu[k]) / sigma);
    }
    for (n in 1 : N) {
      target += log_sum_exp(log_terms[n]);
    }
    target += -N * (log(sigma) + 0.5 * log(2 * pi()));
  }
}
