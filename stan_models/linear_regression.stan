// Linear regression with weak priors on the scale of the data.
data {
  int<lower=1> N;
  int<lower=0> K;
  matrix[N, K] X;
  vector[N] y;
}
parameters {
  real alpha;
  vector[K] beta;
  real<lower=0> sigma;
}
model {
  alpha ~ normal(0, 1000);
  beta ~ normal(0, 100);
  sigma ~ normal(0, 10);
  y ~ normal_id_glm(X, alpha, beta, sigma);
}
