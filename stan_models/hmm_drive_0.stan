// Two-state hidden Markov model with two exponential emissions per step.
data {
  int<lower=1> N;
  int<lower=2, upper=2> K;
  vector<lower=0>[N] u;
  vector<lower=0>[N] v;
  matrix<lower=0>[K, K] alpha;
}
parameters {
  simplex[K] theta1;
  simplex[K] theta2;
  positive_ordered[K] phi;
  positive_ordered[K] lambda;
}
model {
  matrix[N, K] log_emission;
  for (k in 1 : K) {
    log_emission[ : , k] = log(phi[k] * lambda[k]) - phi[k] * u
                           - lambda[k] * v;
  }
  theta1 ~ dirichlet(alpha[1]');
  theta2 ~ dirichlet(alpha[2]');
  phi ~ normal([0, 3]', 1);
  lambda ~ normal([0, 3]', 1);
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
