// Poisson regression with intercepts that vary by group, non-centred.
data {
  int<lower=1> N;
  int<lower=0> K;
  int<lower=1> J;
  matrix[N, K] X;
  array[N] int<lower=1, upper=J> group;
  array[N] int<lower=0> y;
}
parameters {
  real alpha;
  vector[K] beta;
  real<lower=0> tau;
  vector[J] effect_std;
}
transformed parameters {
  vector[J] effect = tau * effect_std;
}
model {
  alpha ~ normal(0, 2);
  beta ~ normal(0, 1);
  tau ~ normal(0, 1);
  effect_std ~ std_normal();
  y ~ poisson_log_glm(X, alpha + effect[group], beta);
}
