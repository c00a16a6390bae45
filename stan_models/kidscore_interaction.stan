// Linear regression of children's scores on mothers' schooling and IQ.
data {
  int<lower=1> N;
  vector[N] kid_score;
  vector[N] mom_hs;
  vector[N] mom_iq;
}
transformed data {
  matrix[N, 3] X = [mom_hs', mom_iq', (mom_hs .* mom_iq)']';
}
parameters {
  vector[4] beta;
  real<lower=0> sigma;
}
model {
  sigma ~ cauchy(0, 2.5);
  kid_score ~ normal_id_glm(X, beta[1], tail(beta, 3), sigma);
}
