// A random walk seen through noise at some of its times, both with known scales: the posterior is normal.
data {
  int<lower=1> T;
  int<lower=0> N;
  array[N] int<lower=1, upper=T> time;
  vector[N] y;
  real<lower=0> sigma_level;
  real<lower=0> sigma_noise;
}
parameters {
  vector[T] level;
}
model {
  level[1] ~ normal(0, 10);
  level[2 : T] ~ normal(level[1 : T - 1], sigma_level);
  y ~ normal(level[time], sigma_noise);
}
