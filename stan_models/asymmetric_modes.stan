// Modes of weights 0.9, 0.0997 and 0.0003: normals of standard deviation 0.5, 0.5 and 0.3 in each coordinate.
parameters {
  vector[3] x;
}
model {
  target += log_sum_exp([log(0.9) + normal_lpdf(x | [2, 0, 0]', 0.5),
                         log(0.0997) + normal_lpdf(x | [-2, 0, 0]', 0.5),
                         log(0.0003) + normal_lpdf(x | [0, 4, 0]', 0.3)]);
}
