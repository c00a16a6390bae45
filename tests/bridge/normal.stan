// A density with a closed form, the random blocks, and a matrix whose storage order can be told.
data {
  int<lower=0> N;
  vector[N] y;
}
transformed data {
  real shift = normal_rng(0, 1);
}
parameters {
  real mu;
  real<lower=0> sigma;
  matrix[2, 3] A;
}
transformed parameters {
  real twice = 2 * mu;
  matrix[2, 3] B = A * sigma;
}
model {
  mu ~ normal(1, 2);
  sigma ~ exponential(1);
  to_vector(A) ~ normal(0, 1);
  y ~ normal(mu, sigma);
}
generated quantities {
  real simulated = normal_rng(mu, sigma);
  array[2] int counts = poisson_rng({1.0, 5.0});
  real kept_shift = shift;
}
