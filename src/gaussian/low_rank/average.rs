//! The average of low-rank iterates, itself of low rank.

use super::LowRankGaussian;
use crate::gaussian::{Average, GaussianApproximation};
use crate::linalg::{array_serde, column_blocks, eigen_columns};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, Zip, s};
use serde::{Deserialize, Serialize};

/// The average of low-rank Gaussians. The mean of covariances of rank K has a higher rank: after
/// each iterate the running mean is reduced to rank K again. Its K largest directions are kept, in
/// units of the diagonal part, and the variances of the others are added to the diagonal. So
/// marginal variances are exact.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LowRankAverage {
    count: usize,
    #[serde(with = "array_serde")]
    mean: Array1<f64>,
    #[serde(with = "array_serde")]
    psi: Array1<f64>,
    /// Λᵀ, K × D.
    #[serde(with = "array_serde")]
    loadings: Array2<f64>,
}

impl LowRankAverage {
    /// Columns `range` of the loadings of the two covariances whose weighted sum is the new mean,
    /// 2K × n, in units of the square root of the sum's diagonal part, which is returned with them.
    fn scaled(
        &self,
        range: std::ops::Range<usize>,
        gaussian: &LowRankGaussian,
        weight: f64,
    ) -> (Array2<f64>, Array1<f64>) {
        let rank = self.loadings.nrows();
        let scales = gaussian.scales();
        let scales = scales.slice(s![range.clone()]);
        let psi = Zip::from(self.psi.slice(s![range.clone()]))
            .and(&scales)
            .map_collect(|psi, scale| (1.0 - weight) * psi + weight * scale * scale);
        let mut table = Array2::zeros((2 * rank, psi.len()));
        table.slice_mut(s![..rank, ..]).assign(&self.loadings.slice(s![.., range.clone()]));
        table.slice_mut(s![..rank, ..]).mapv_inplace(|l| l * (1.0 - weight).sqrt());
        let mut new = table.slice_mut(s![rank.., ..]);
        new.assign(&gaussian.loadings().slice(s![.., range]));
        new *= &(&scales * weight.sqrt());
        table /= &psi.mapv(f64::sqrt);
        (table, psi)
    }
}

impl Average<LowRankGaussian> for LowRankAverage {
    /// Adding an iterate costs time linear in D, as an iteration does.
    fn stride(_dim: usize, _batch: usize) -> usize {
        1
    }

    fn fits(&self, gaussian: &LowRankGaussian) -> bool {
        let (dim, rank) = if self.count > 0 { (gaussian.dim(), gaussian.rank()) } else { (0, 0) };
        self.mean.len() == dim && self.psi.len() == dim && self.loadings.dim() == (rank, dim)
    }

    fn add(&mut self, gaussian: &LowRankGaussian) {
        self.count += 1;
        if self.count == 1 {
            self.mean = gaussian.mean().to_owned();
            self.psi = gaussian.psi();
            self.loadings = &gaussian.loadings() * &gaussian.scales();
            return;
        }
        let weight = (self.count as f64).recip();
        self.mean.zip_mut_with(&gaussian.mean(), |mean, new| *mean += weight * (new - *mean));
        let (rank, dim) = self.loadings.dim();
        let mut gram = Array2::zeros((2 * rank, 2 * rank));
        for range in column_blocks(dim) {
            let (table, _) = self.scaled(range, gaussian, weight);
            general_mat_mul(1.0, &table, &table.t(), 1.0, &mut gram);
        }
        // LAPACK does not know matrices of size zero.
        let vectors = if rank == 0 { gram } else { eigen_columns(&gram).expect("the loadings are finite").1 };
        for range in column_blocks(dim) {
            let (table, psi) = self.scaled(range.clone(), gaussian, weight);
            // Eigenvalues ascend: the first K directions go to the diagonal.
            let mut rotated = vectors.t().dot(&table);
            let rest = rotated.slice(s![..rank, ..]).mapv(|l| l * l).sum_axis(ndarray::Axis(0));
            rotated *= &psi.mapv(f64::sqrt);
            self.loadings.slice_mut(s![.., range.clone()]).assign(&rotated.slice(s![rank.., ..]));
            self.psi.slice_mut(s![range]).assign(&(&psi * &(rest + 1.0)));
        }
    }

    fn approximation(&self) -> Option<LowRankGaussian> {
        (self.count > 0).then(|| LowRankGaussian::new(self.mean.clone(), &self.psi, self.loadings.t()).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray_linalg::Norm;

    fn average(gaussians: &[LowRankGaussian]) -> LowRankGaussian {
        let mut average = LowRankAverage::default();
        gaussians.iter().for_each(|gaussian| average.add(gaussian));
        average.approximation().unwrap()
    }

    /// Gaussians that differ little, like iterates near convergence.
    fn iterates(rank: usize) -> Vec<LowRankGaussian> {
        let dim = 600;
        let wave = |i: usize, k: usize, step: usize| ((i * (k + 1)) as f64 * 0.37 + 0.01 * step as f64).sin();
        (0..5)
            .map(|step| {
                let psi = Array1::from_shape_fn(dim, |i| 1.0 + 0.5 * wave(i, 0, 10 * step));
                let lambda = Array2::from_shape_fn((dim, rank), |(i, k)| wave(i, k, step) / (k + 1) as f64);
                LowRankGaussian::new(Array1::from_elem(dim, step as f64), &psi, lambda.view()).unwrap()
            })
            .collect()
    }

    #[test]
    fn the_mean_of_independent_elements_is_exact() {
        let average = average(&iterates(0));
        let expected = iterates(0).iter().map(|gaussian| gaussian.psi()).reduce(|a, b| a + b).unwrap() / 5.0;
        assert!((average.psi() - expected).norm_l2() < 1e-12);
        assert!(average.mean().iter().all(|m| (m - 2.0).abs() < 1e-12));
    }

    #[test]
    fn variances_are_exact_and_covariances_close() {
        let gaussians = iterates(4);
        let average = average(&gaussians);
        let expected = gaussians.iter().map(|gaussian| gaussian.covariance()).reduce(|a, b| a + b).unwrap() / 5.0;
        let difference = average.covariance() - &expected;
        assert!(difference.diag().norm_l2() < 1e-10, "{}", difference.diag().norm_l2());
        assert!(difference.norm_l2() < 1e-3 * expected.norm_l2(), "{}", difference.norm_l2() / expected.norm_l2());
    }

    #[test]
    fn there_is_no_mean_of_nothing() {
        assert_eq!(LowRankAverage::default().approximation(), None);
    }
}
