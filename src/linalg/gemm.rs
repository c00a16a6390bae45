//! Products of large matrices in blocks, which rayon's threads share. The blocks depend on the
//! sizes alone, so that the result is the same for any number of threads.

use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

/// Rows or columns of a block. Not compared with other sizes.
const BLOCK: usize = 128;
/// Multiplications from which a product is worth sharing among threads: it takes some 0.1 ms on one
/// thread, which a hand-over to others does not exceed.
const WORTH_SHARING: usize = 1 << 22;

/// c ← a b + beta c, in blocks along the longer side of c.
pub fn multiply_add(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, beta: f64, mut c: ArrayViewMut2<'_, f64>) {
    if a.nrows() * a.ncols() * b.ncols() < WORTH_SHARING {
        general_mat_mul(1.0, &a, &b, beta, &mut c);
    } else if c.nrows() > c.ncols() {
        let blocks = c.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().zip(a.axis_chunks_iter(Axis(0), BLOCK));
        blocks.for_each(|(mut c, a)| general_mat_mul(1.0, &a, &b, beta, &mut c));
    } else {
        let blocks = c.axis_chunks_iter_mut(Axis(1), BLOCK).into_par_iter().zip(b.axis_chunks_iter(Axis(1), BLOCK));
        blocks.for_each(|(mut c, b)| general_mat_mul(1.0, &a, &b, beta, &mut c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};

    #[test]
    fn blocks_make_the_product_whatever_the_number_of_threads() {
        let mut rng = stream(1, 0);
        for (rows, inner, columns) in [(3, 4, 5), (300, 150, 257), (40, 500, 500), (700, 120, 129)] {
            let (a, b) = (standard_normal(&mut rng, (rows, inner)), standard_normal(&mut rng, (inner, columns)));
            let start = standard_normal(&mut rng, (rows, columns));
            let product = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut c = start.clone();
                pool.install(|| multiply_add(a.view(), b.view(), 0.5, c.view_mut()));
                c
            };
            let (one, three) = (product(1), product(3));
            assert_eq!(one, three);
            let expected = a.dot(&b) + &start * 0.5;
            assert!((&one - &expected).iter().all(|difference| difference.abs() < 1e-10));
        }
    }
}
