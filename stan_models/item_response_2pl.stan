// Item response with two parameters per item; persons' abilities are standard normal.
data {
  int<lower=1> I;
  int<lower=1> J;
  array[I, J] int<lower=0, upper=1> y;
}
parameters {
  vector[J] ability;
  vector<lower=0>[I] discrimination;
  vector[I] difficulty;
  real mean_difficulty;
  real<lower=0> sd_difficulty;
  real<lower=0> sd_log_discrimination;
}
model {
  matrix[J, 1] abilities = to_matrix(ability, J, 1);
  ability ~ std_normal();
  discrimination ~ lognormal(0, sd_log_discrimination);
  difficulty ~ normal(mean_difficulty, sd_difficulty);
  mean_difficulty ~ normal(0, 2);
  sd_difficulty ~ normal(0, 2);
  sd_log_discrimination ~ normal(0, 1);
  for (i in 1 : I) {
    y[i] ~ bernoulli_logit_glm(abilities, -discrimination[i] * difficulty[i],
                               [discrimination[i]]');
  }
}
