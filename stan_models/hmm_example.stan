// Two-state hidden Markov model with normal emissions of unit scale.
data {
  int<lower=1> N;
  int<lower=2, upper=2> K;
  vector[N] y;
}
transformed data {
  real log_root_two_pi = 0.5 * log(2 * pi());
}
parameters {
  simplex[K] theta1;
  simplex[K] theta2;
  positive_ordered[K] mu;
}
model {
  matrix[N, K] log_emission;
  for (k in 1 : K) {
    log_emission[ : , k] = -0.5 * square(y - mu[k]) - log_root_two_pi;
  }
  mu ~ normal([3, 10]', 1);
  {
    // The forward algorithm; the first step adds its emission alone.
    real stay1 = log(theta1[1]);
    real leave1 = log(theta1[2]);
    real leave2 = log(theta2[1]);
    real stay2 = log(theta2[2]);
    real in1 = log_emission[1, 1];
    real in2 = log_emission[1, 2];
    for (n in 2 : N) {
      real next1 = log_sum_exp(in1 + stay1, in2 + leave2);
      in2 = log_sum_exp(in1 + leave1, in2 + stay2) + log_emission[n, 2];
      in1 = next1 + log_emission[n, 1];
    }
    target += log_sum_exp(in1, in2);
  }
}
