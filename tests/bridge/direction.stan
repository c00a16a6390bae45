// A unit vector alone, whose forward derivative is wrong in Stan 2.35.
parameters {
  unit_vector[3] direction;
}
model {
  direction ~ normal(0.3, 1);
}
