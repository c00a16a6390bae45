// A factor model with the factor summed out; the signs of all loadings can change together.
data {
  int<lower=1> N;
  int<lower=1> J;
  array[N] vector[J] y;
}
parameters {
  vector[J] lambda;
  vector<lower=0>[J] sigma;
}
model {
  lambda ~ normal(0, 1);
  sigma ~ lognormal(-0.4, 0.4);
  y ~ multi_normal(rep_vector(0, J), add_diag(lambda * lambda', square(sigma)));
}
