// Tuples and complex numbers, alone and in arrays.
parameters {
  complex z;
  complex_vector[2] w;
  tuple(real<lower=0>, vector[2]) pair;
  array[2] tuple(real, simplex[2]) pairs;
}
model {
  get_real(z) ~ normal(0, 1);
  get_imag(z) ~ normal(1, 2);
  get_real(w) ~ normal(0, 1);
  get_imag(w) ~ normal(0, 3);
  pair.1 ~ exponential(1);
  pair.2 ~ normal(0, 1);
  for (p in pairs) {
    p.1 ~ normal(0, 1);
    p.2 ~ dirichlet([2, 3]');
  }
}
generated quantities {
  complex squared = z * z;
  tuple(real, int) simulated = (normal_rng(0, 1), poisson_rng(4));
}
