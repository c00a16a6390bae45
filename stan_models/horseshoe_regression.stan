// Linear regression with a regularised horseshoe prior (Piironen and Vehtari, 2017), non-centred.
data {
  int<lower=1> N;
  int<lower=1> K;
  matrix[N, K] X;
  vector[N] y;
  real<lower=0, upper=K> expected_nonzero;
}
transformed data {
  real tau_scale = expected_nonzero / (K - expected_nonzero) / sqrt(N);
  real slab_degrees = 4;
  real slab_scale = 2;
}
parameters {
  real alpha;
  vector[K] z;
  vector<lower=0>[K] lambda;
  real<lower=0> tau;
  real<lower=0> slab;
  real<lower=0> sigma;
}
transformed parameters {
  vector[K] beta;
  {
    real width = slab_scale * sqrt(slab);
    vector[K] wide = tau * sigma * lambda;
    beta = z .* wide ./ sqrt(1 + square(wide / width));
  }
}
model {
  alpha ~ normal(0, 5);
  z ~ std_normal();
  // Three degrees of freedom, for tails that can be sampled.
  lambda ~ student_t(3, 0, 1);
  tau ~ student_t(3, 0, tau_scale);
  slab ~ inv_gamma(0.5 * slab_degrees, 0.5 * slab_degrees);
  sigma ~ normal(0, 3);
  y ~ normal_id_glm(X, alpha, beta, sigma);
}
