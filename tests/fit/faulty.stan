// One parameter whose density depends on the mood: 0 normal, 1 rejects everywhere, 2 improper, 3 takes for ever to begin,
// 4 normal, but generates only above the mean.
data {
  int<lower=0, upper=4> mood;
}
transformed data {
  real time = 0;
  print("in mood ", mood);
  if (mood == 3) {
    for (i in 1 : 2000000000) {
      time = sin(time + i);
    }
  }
}
parameters {
  real mu;
}
model {
  if (mood == 1) {
    reject("not in this mood");
  }
  if (mood == 0 || mood == 4) {
    mu ~ normal(3, 2);
  }
}
generated quantities {
  if (mood == 4 && mu < 3) {
    reject("nothing to generate");
  }
  real echo = mu + time;
  real undefined = not_a_number();
}
