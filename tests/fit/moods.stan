// One parameter whose density depends on the mood: 0 normal, 1 rejects everywhere, 2 improper, 3 takes for ever to begin.
data {
  int<lower=0, upper=3> mood;
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
  if (mood == 0) {
    mu ~ normal(3, 2);
  }
}
generated quantities {
  real echo = mu + time;
  real undefined = not_a_number();
}
