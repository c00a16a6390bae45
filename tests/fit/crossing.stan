// An X in two coordinates: an equal mixture of two centred normals with correlations 0.9 and -0.9. The normal ones make
// the dimension too large for a triangular map to be tried.
transformed data {
  matrix[2, 2] rising = cholesky_decompose([[2, 1.8], [1.8, 2]]);
  matrix[2, 2] falling = cholesky_decompose([[2, -1.8], [-1.8, 2]]);
}
parameters {
  vector[2] x;
  vector[40] z;
}
model {
  target += log_mix(0.5,
                    multi_normal_cholesky_lpdf(x | zeros_vector(2), rising),
                    multi_normal_cholesky_lpdf(x | zeros_vector(2), falling));
  z ~ normal(0, 1);
}
