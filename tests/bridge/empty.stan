// Neither data nor parameters: only what is simulated.
generated quantities {
  real y = normal_rng(1, 2);
  int<lower=0> n = poisson_rng(3);
}
