// Predator and prey (Lotka and Volterra) observed with log-normal error.
functions {
  vector population_change(real t, vector z, vector theta) {
    real prey = z[1];
    real predators = z[2];
    return [(theta[1] - theta[2] * predators) * prey,
            (-theta[3] + theta[4] * prey) * predators]';
  }
}
data {
  int<lower=0> N;
  array[N] real<lower=0> ts;
  vector<lower=0>[2] y_init;
  array[N] vector<lower=0>[2] y;
}
parameters {
  vector<lower=0>[4] theta;
  vector<lower=0>[2] z_init;
  vector<lower=0>[2] sigma;
}
model {
  array[N] vector[2] z = ode_rk45_tol(population_change, z_init, 0, ts, 1e-5,
                                      1e-3, 500, theta);
  theta ~ normal([1, 0.05, 1, 0.05]', [0.5, 0.05, 0.5, 0.05]');
  sigma ~ lognormal(-1, 1);
  z_init ~ lognormal(log(10), 1);
  y_init ~ lognormal(log(z_init), sigma);
  for (k in 1 : 2) {
    y[ : , k] ~ lognormal(log(z[ : , k]), sigma[k]);
  }
}
