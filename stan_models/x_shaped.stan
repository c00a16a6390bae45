// An X: an equal mixture of two centred normals with correlations 0.9 and -0.9.
transformed data {
  matrix[2, 2] rising = cholesky_decompose([[2, 1.8], [1.8, 2]]);
  matrix[2, 2] falling = cholesky_decompose([[2, -1.8], [-1.8, 2]]);
}
parameters {
  vector[2] x;
}
model {
  target += log_mix(0.5,
                    multi_normal_cholesky_lpdf(x | zeros_vector(2), rising),
                    multi_normal_cholesky_lpdf(x | zeros_vector(2), falling));
}
