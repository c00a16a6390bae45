// A log-Gaussian Cox process on a grid over the unit square, non-centred. The field's covariance is separable and
// exponential: an autoregression along either side of the grid, at a cost linear in the number of cells. Its mean over the
// grid is taken off, or it and mu, of which the data know only the sum, would be a narrow ridge.
functions {
  // Makes neighbouring columns correlated, where all are independent.
  matrix correlate(matrix columns, real correlation) {
    matrix[rows(columns), cols(columns)] correlated;
    real innovation = sqrt(1 - square(correlation));
    correlated[ : , 1] = columns[ : , 1];
    for (k in 2 : cols(columns)) {
      correlated[ : , k] = correlation * correlated[ : , k - 1]
                           + innovation * columns[ : , k];
    }
    return correlated;
  }
}
data {
  int<lower=1> R;
  int<lower=1> C;
  array[R, C] int<lower=0> y;
}
transformed data {
  // Row by row.
  array[R * C] int counts = to_array_1d(y);
}
parameters {
  real mu;
  real<lower=0> sigma;
  real<lower=0> length;
  matrix[R, C] z;
}
transformed parameters {
  // The log rate of each cell, row by row.
  vector[R * C] log_rate;
  {
    matrix[R, C] across = correlate(z, exp(-1 / (C * length)));
    matrix[C, R] field = correlate(across', exp(-1 / (R * length)));
    log_rate = mu + sigma * (to_vector(field) - mean(field));
  }
}
model {
  mu ~ normal(0, 2);
  sigma ~ normal(0, 1);
  length ~ lognormal(-1, 0.5);
  to_vector(z) ~ std_normal();
  counts ~ poisson_log(log_rate);
}
