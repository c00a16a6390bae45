// Every constrained type, each with a density, so that no coordinate is flat.
data {
  int<lower=2> K;
}
parameters {
  real<lower=1> low;
  real<upper=low> below_low;
  real<lower=below_low, upper=low> between;
  vector<offset=low, multiplier=2>[2] scaled;
  array[2] vector<lower=-1, upper=1>[2] boxed;
  simplex[K] shares;
  ordered[K] rising;
  positive_ordered[K] positive_rising;
  unit_vector[K] direction;
  corr_matrix[K] R;
  cov_matrix[K] S;
  cholesky_factor_corr[K] L_R;
  cholesky_factor_cov[K] L_S;
  cholesky_factor_cov[K + 1, K] L_tall;
}
model {
  low ~ gamma(3, 1);
  below_low ~ normal(0, 2);
  between ~ normal(0, 1);
  scaled ~ normal(1, 2);
  for (b in boxed) b ~ normal(0.5, 1);
  shares ~ dirichlet(linspaced_vector(K, 1, 3));
  rising ~ normal(0, 1);
  positive_rising ~ exponential(1);
  direction ~ normal(0.3, 1);
  R ~ lkj_corr(2);
  S ~ inv_wishart(K + 2, identity_matrix(K));
  L_R ~ lkj_corr_cholesky(3);
  to_vector(L_S) ~ normal(0, 1);
  to_vector(L_tall) ~ normal(0, 1);
}
