// Two separate modes: an equal mixture of unit normals at (-2, 0) and (2, 0).
parameters {
  vector[2] x;
}
model {
  target += log_mix(0.5, normal_lpdf(x[1] | -2, 1), normal_lpdf(x[1] | 2, 1));
  x[2] ~ std_normal();
}
