// Log-log regression of mesquite leaf weight on volume, area, shape and height.
data {
  int<lower=1> N;
  vector<lower=0>[N] weight;
  vector<lower=0>[N] diam1;
  vector<lower=0>[N] diam2;
  vector<lower=0>[N] canopy_height;
  vector<lower=0>[N] total_height;
  vector[N] group;
}
transformed data {
  vector[N] log_weight = log(weight);
  vector[N] log_area = log(diam1 .* diam2);
  matrix[N, 5] X = [(log_area + log(canopy_height))', log_area',
                    log(diam1 ./ diam2)', log(total_height)', group']';
}
parameters {
  vector[6] beta;
  real<lower=0> sigma;
}
model {
  log_weight ~ normal_id_glm(X, beta[1], tail(beta, 5), sigma);
}
