// Linear regression of log earnings on height, sex and their interaction.
data {
  int<lower=1> N;
  vector<lower=0>[N] earn;
  vector[N] height;
  vector[N] male;
}
transformed data {
  vector[N] log_earn = log(earn);
  matrix[N, 3] X = [height', male', (height .* male)']';
}
parameters {
  vector[4] beta;
  real<lower=0> sigma;
}
model {
  log_earn ~ normal_id_glm(X, beta[1], tail(beta, 3), sigma);
}
