// Two-state hidden Markov model with normal emissions of unit scale.
data {
  int<lower=1> N;
  int<lower=2, upper=2> K;
  row_vector[N] y;
}
transformed data {
  real log_root_two_pi = 0.5 * log(2 * pi());
  // hmm_marginal needs a distribution of the first state. The model has none:
  // a uniform one and log(K) in the target are the same as no term at all.
  vector[K] uniform_start = rep_vector(1.0 / K, K);
}
parameters {
  simplex[K] theta1;
  simplex[K] theta2;
  positive_ordered[K] mu;
}
model {
  matrix[K, K] transition = [theta1', theta2'];
  matrix[K, N] log_emission;
  for (k in 1 : K) {
    log_emission[k] = -0.5 * square(y - mu[k]) - log_root_two_pi;
  }
  mu ~ normal([3, 10]', 1);
  target += hmm_marginal(log_emission, transition, uniform_start) + log(K);
}
