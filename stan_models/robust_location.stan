// The location of values with heavy tails: as many modes as clusters.
data {
  int<lower=0> N;
  vector[N] y;
}
parameters {
  real mu;
}
model {
  mu ~ normal(0, 10);
  y ~ student_t(2, mu, 0.5);
}
