// Two-state hidden Markov model with two exponential emissions per step.
data {
  int<lower=1> N;
  int<lower=2, upper=2> K;
  row_vector<lower=0>[N] u;
  row_vector<lower=0>[N] v;
  matrix<lower=0>[K, K] alpha;
}
transformed data {
  // hmm_marginal needs a distribution of the first state. The model has none:
  // a uniform one and log(K) in the target are the same as no term at all.
  vector[K] uniform_start = rep_vector(1.0 / K, K);
}
parameters {
  simplex[K] theta1;
  simplex[K] theta2;
  positive_ordered[K] phi;
  positive_ordered[K] lambda;
}
model {
  matrix[K, K] transition = [theta1', theta2'];
  matrix[K, N] log_emission = rep_matrix(log(phi) + log(lambda), N) - phi * u
                              - lambda * v;
  theta1 ~ dirichlet(alpha[1]');
  theta2 ~ dirichlet(alpha[2]');
  phi ~ normal([0, 3]', 1);
  lambda ~ normal([0, 3]', 1);
  target += hmm_marginal(log_emission, transition, uniform_start) + log(K);
}
