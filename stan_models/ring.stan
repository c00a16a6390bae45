// A ring: the distance from the origin is nearly normal, the angle uniform. One mode, without a centre.
parameters {
  vector[2] x;
}
model {
  real r = sqrt(dot_self(x));
  target += normal_lpdf(r | 3, 0.3) - log(r) - log(2 * pi());
}
