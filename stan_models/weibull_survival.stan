// Survival times by a Weibull regression, some of them censored.
data {
  int<lower=1> N;
  int<lower=0> K;
  matrix[N, K] X;
  vector<lower=0>[N] time;
  // Whether the event was seen; else the time is when watching ended.
  array[N] int<lower=0, upper=1> seen;
}
transformed data {
  int events = sum(seen);
  array[events] int event;
  array[N - events] int censored;
  {
    int e = 0;
    int c = 0;
    for (n in 1 : N) {
      if (seen[n]) {
        e += 1;
        event[e] = n;
      } else {
        c += 1;
        censored[c] = n;
      }
    }
  }
}
parameters {
  real intercept;
  vector[K] beta;
  real<lower=0> shape;
}
model {
  vector[N] scale = exp(intercept + X * beta);
  intercept ~ normal(0, 2);
  beta ~ normal(0, 1);
  shape ~ lognormal(0, 0.5);
  time[event] ~ weibull(shape, scale[event]);
  target += weibull_lccdf(time[censored] | shape, scale[censored]);
}
