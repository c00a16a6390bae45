// Exponential decay, solved by SUNDIALS; the solution is initial * exp(-rate * t).
functions {
  vector decay(real t, vector y, real rate) {
    return -rate * y;
  }
}
data {
  int<lower=1> N;
  array[N] real<lower=0> t;
  vector[N] y;
}
parameters {
  real<lower=0> rate;
  real<lower=0> initial;
}
transformed parameters {
  array[N] vector[1] curve = ode_adams_tol(decay, [initial]', 0, t, 1e-12, 1e-12, 100000, rate);
}
model {
  rate ~ lognormal(0, 1);
  initial ~ lognormal(0, 1);
  y ~ normal(to_vector(curve[ : , 1]), 0.1);
}
