// A normal, and the ways in which chains fail: `trouble` says which.
data {
  int<lower=0, upper=3> trouble;
}
parameters {
  real x;
  real<lower=0> scale;
}
transformed parameters {
  // 3: a quantity that never moves
  real still = trouble == 3 ? 1 : x;
}
model {
  if (trouble == 1) {
    // improper: no density at all for scale
    x ~ normal(0, 1);
  } else if (trouble == 2) {
    // modes that no chain moves between
    target += log_mix(0.5, normal_lpdf(x | -20, 1), normal_lpdf(x | 20, 1));
    scale ~ exponential(1);
  } else {
    x ~ normal(0, 1);
    scale ~ exponential(1);
  }
}
