// Returns whose log variance is a stationary first-order autoregression, non-centred.
data {
  int<lower=1> T;
  vector[T] y;
}
parameters {
  real mu;
  real<lower=-1, upper=1> phi;
  real<lower=0> sigma;
  vector[T] z;
}
transformed parameters {
  vector[T] log_variance = sigma * z;
  log_variance[1] /= sqrt(1 - square(phi));
  for (t in 2 : T) {
    log_variance[t] += phi * log_variance[t - 1];
  }
  log_variance += mu;
}
model {
  mu ~ normal(0, 2);
  (phi + 1) / 2 ~ beta(20, 1.5);
  sigma ~ normal(0, 0.5);
  z ~ std_normal();
  y ~ normal(0, exp(0.5 * log_variance));
}
