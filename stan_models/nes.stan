// Linear regression of party identification on opinion and demography.
data {
  int<lower=1> N;
  vector[N] partyid7;
  vector[N] real_ideo;
  vector[N] race_adj;
  vector[N] educ1;
  vector[N] gender;
  vector[N] income;
  array[N] int<lower=1, upper=4> age_discrete;
}
transformed data {
  matrix[N, 8] X = rep_matrix(0, N, 8);
  X[ : , 1] = real_ideo;
  X[ : , 2] = race_adj;
  for (n in 1 : N) {
    if (age_discrete[n] > 1) {
      X[n, age_discrete[n] + 1] = 1;
    }
  }
  X[ : , 6] = educ1;
  X[ : , 7] = gender;
  X[ : , 8] = income;
}
parameters {
  vector[9] beta;
  real<lower=0> sigma;
}
model {
  partyid7 ~ normal_id_glm(X, beta[1], tail(beta, 8), sigma);
}
