// Linear regression of earnings on height, on the raw scale.
data {
  int<lower=1> N;
  vector[N] earn;
  vector[N] height;
}
transformed data {
  matrix[N, 1] X = to_matrix(height, N, 1);
}
parameters {
  vector[2] beta;
  real<lower=0> sigma;
}
model {
  earn ~ normal_id_glm(X, beta[1], tail(beta, 1), sigma);
}
