// Logistic regression with normal priors, whose scale is given, on the log-odds scale.
data {
  int<lower=1> N;
  int<lower=0> K;
  matrix[N, K] X;
  array[N] int<lower=0, upper=1> y;
  real<lower=0> prior_scale;
}
parameters {
  real alpha;
  vector[K] beta;
}
model {
  alpha ~ normal(0, prior_scale);
  beta ~ normal(0, prior_scale);
  y ~ bernoulli_logit_glm(X, alpha, beta);
}
