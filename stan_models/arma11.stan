// ARMA(1, 1): autoregression and moving average of order one.
data {
  int<lower=1> T;
  vector[T] y;
}
transformed data {
  vector[T - 1] previous = head(y, T - 1);
}
parameters {
  real mu;
  real phi;
  real theta;
  real<lower=0> sigma;
}
model {
  vector[T] error;
  error[1] = y[1] - mu - phi * mu;
  error[2 : T] = y[2 : T] - mu - phi * previous;
  for (t in 2 : T) {
    error[t] -= theta * error[t - 1];
  }
  mu ~ normal(0, 10);
  phi ~ normal(0, 2);
  theta ~ normal(0, 2);
  sigma ~ cauchy(0, 2.5);
  error ~ normal(0, sigma);
}
