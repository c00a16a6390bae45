// Regression by a neural network with one hidden layer of H units.
data {
  int<lower=1> N;
  int<lower=1> P;
  int<lower=1> H;
  matrix[N, P] X;
  vector[N] y;
  int<lower=0> N_new;
  matrix[N_new, P] X_new;
  vector[N_new] y_new;
}
parameters {
  matrix[P, H] W;
  row_vector[H] b;
  vector[H] v;
  real c;
  real<lower=0> sigma;
}
model {
  to_vector(W) ~ std_normal();
  b ~ std_normal();
  v ~ normal(0, inv_sqrt(H));
  c ~ std_normal();
  sigma ~ normal(0, 1);
  y ~ normal_id_glm(tanh(X * W + rep_matrix(b, N)), c, v, sigma);
}
generated quantities {
  // At the points kept back: the regression function, and the log density of what was seen there.
  vector[N_new] mean_new = c + tanh(X_new * W + rep_matrix(b, N_new)) * v;
  vector[N_new] log_lik_new;
  for (n in 1 : N_new) {
    log_lik_new[n] = normal_lpdf(y_new[n] | mean_new[n], sigma);
  }
}
