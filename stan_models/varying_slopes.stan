// Linear regression with correlated intercepts and slopes by group, non-centred.
data {
  int<lower=1> N;
  int<lower=0> K;
  int<lower=1> J;
  matrix[N, K] X;
  array[N] int<lower=1, upper=J> group;
  vector[N] y;
}
transformed data {
  matrix[N, K + 1] X1 = append_col(ones_vector(N), X);
}
parameters {
  vector[K + 1] beta;
  vector<lower=0>[K + 1] tau;
  cholesky_factor_corr[K + 1] L;
  matrix[K + 1, J] z;
  real<lower=0> sigma;
}
transformed parameters {
  // The intercept and slopes of each group.
  matrix[J, K + 1] coefficient = rep_matrix(beta', J)
                                 + (diag_pre_multiply(tau, L) * z)';
}
model {
  beta ~ normal(0, 2);
  tau ~ normal(0, 1);
  L ~ lkj_corr_cholesky(2);
  to_vector(z) ~ std_normal();
  sigma ~ normal(0, 2);
  y ~ normal(rows_dot_product(X1, coefficient[group]), sigma);
}
