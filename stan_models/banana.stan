// A curved ridge: (x1, x2 + x1^2 + 1) is normal with correlation 0.9.
transformed data {
  vector[2] centre = zeros_vector(2);
  matrix[2, 2] L = cholesky_decompose([[1, 0.9], [0.9, 1]]);
}
parameters {
  vector[2] x;
}
model {
  // The map from x to this pair has unit Jacobian.
  vector[2] pair = [x[1], x[2] + square(x[1]) + 1]';
  target += multi_normal_cholesky_lpdf(pair | centre, L);
}
