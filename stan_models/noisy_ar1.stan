// An AR(1) state seen through noise, integrated out by the Kalman filter.
data {
  int<lower=1> T;
  vector[T] y;
}
parameters {
  real mu;
  real<lower=-1, upper=1> phi;
  real<lower=0> sigma_state;
  real<lower=0> sigma_noise;
}
model {
  vector[T] prediction;
  vector[T] variance;
  real state = mu;
  real state_variance = square(sigma_state) / (1 - square(phi));
  for (t in 1 : T) {
    prediction[t] = state;
    variance[t] = state_variance + square(sigma_noise);
    real gain = state_variance / variance[t];
    state = mu + phi * (state + gain * (y[t] - state) - mu);
    state_variance = square(phi) * state_variance * (1 - gain)
                     + square(sigma_state);
  }
  mu ~ normal(0, 5);
  sigma_state ~ normal(0, 1);
  sigma_noise ~ normal(0, 1);
  y ~ normal(prediction, sqrt(variance));
}
