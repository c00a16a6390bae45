// Linear regression with a known error and no intercept: the posterior is normal, in closed form.
data {
  int<lower=1> N;
  int<lower=1> K;
  matrix[N, K] X;
  vector[N] y;
  real<lower=0> sigma;
  real<lower=0> prior_scale;
}
parameters {
  vector[K] beta;
}
model {
  beta ~ normal(0, prior_scale);
  y ~ normal_id_glm(X, 0, beta, sigma);
}
