// Prints at each evaluation, rejects half of the line, and gives up where x exceeds 10.
parameters {
  real x;
}
model {
  print("x = ", x);
  if (x > 10) {
    fatal_error("x is out of hand");
  }
  if (x > 0) {
    reject("x must not be positive; found x = ", x);
  }
  x ~ normal(0, 1);
}
generated quantities {
  print("generating");
  if (x < -5) {
    reject("x is too small to generate");
  }
}
