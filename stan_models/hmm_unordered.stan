// Two-state hidden Markov model with normal emissions of unit scale, whose states can change places.
data {
  int<lower=1> N;
  vector[N] y;
}
parameters {
  vector[2] mu;
  array[2] simplex[2] gamma;
}
model {
  mu ~ normal(0, 3);
  for (k in 1 : 2) {
    gamma[k] ~ dirichlet([2, 2]');
  }
  {
    // The forward algorithm from either state with probability one half.
    vector[2] log_forward;
    for (k in 1 : 2) {
      log_forward[k] = normal_lpdf(y[1] | mu[k], 1) - log(2);
    }
    for (n in 2 : N) {
      vector[2] next;
      for (k in 1 : 2) {
        next[k] = log_sum_exp(log_forward[1] + log(gamma[1, k]), log_forward[2] + log(gamma[2, k]))
                  + normal_lpdf(y[n] | mu[k], 1);
      }
      log_forward = next;
    }
    target += log_sum_exp(log_forward);
  }
}
