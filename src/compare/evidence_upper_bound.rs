//! The evidence upper bound: forward Kullback–Leibler divergence from reference draws, up to the log evidence.

use crate::gaussian::{Approximation, GaussianApproximation, NotPositiveDefinite};
use crate::model::Target;
use ndarray::ArrayView2;
use rayon::prelude::*;

/// The mean of log p − log q over draws of the posterior p, KL(p‖q) + log Z, with its Monte Carlo error. It bounds the
/// log evidence from above as the ELBO does from below (Ji and Shen 2019, arXiv 1907.01949).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eubo {
    /// The mean.
    pub value: f64,
    /// Its standard error, for independent draws.
    pub mcse: f64,
}

/// The bound for the approximation `family` of `target`, from reference draws on the unconstrained scale (draws × D).
/// None where the density is not defined at a draw or the family is singular.
pub fn eubo<T: Target>(target: &T, family: &Approximation, draws: ArrayView2<'_, f64>) -> Option<Eubo> {
    let log_q = match family {
        Approximation::Dense(family) => log_densities(family, draws),
        Approximation::LowRank(family) => log_densities(family, draws),
    };
    let rows: Vec<(Vec<f64>, f64)> = draws.rows().into_iter().map(|row| row.to_vec()).zip(log_q.ok()?).collect();
    let ratios: Vec<f64> =
        rows.par_iter().map(|(x, log_q)| Some(target.log_density(x).ok()? - log_q)).collect::<Option<_>>()?;
    let count = ratios.len() as f64;
    let value = ratios.iter().sum::<f64>() / count;
    let variance = ratios.iter().map(|ratio| (ratio - value).powi(2)).sum::<f64>() / (count - 1.0);
    Some(Eubo { value, mcse: (variance / count).sqrt() })
}

fn log_densities<F: GaussianApproximation>(
    family: &F,
    draws: ArrayView2<'_, f64>,
) -> Result<Vec<f64>, NotPositiveDefinite> {
    let noise = family.noise(draws)?;
    Ok(noise.rows().into_iter().map(|noise| family.log_density_of_noise(noise.dot(&noise))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;
    use crate::model::Gaussian;
    use crate::random::{standard_normal, stream};
    use ndarray::{Array1, Array2, array};

    #[test]
    fn gaussians_have_their_closed_form() {
        let covariance = array![[2.0, 0.6], [0.6, 1.0]];
        let mean = array![0.5, -1.0];
        let p = DenseGaussian::from_covariance(mean.clone(), &covariance).unwrap();
        let q = DenseGaussian::diagonal(Array1::zeros(2), &array![1.5, 2.0]);
        let noise = standard_normal(&mut stream(3, 0), (40_000, 2));
        let mut draws = Array2::zeros(noise.dim());
        p.draws(noise.view(), draws.view_mut());
        // KL(N(m, S) ‖ N(0, T)) = ½ (tr(T⁻¹S) + mᵀT⁻¹m − 2 + ln(det T / det S)).
        let precision = array![1.0 / 2.25, 0.25];
        let trace = covariance[[0, 0]] * precision[0] + covariance[[1, 1]] * precision[1];
        let squares = mean[0] * mean[0] * precision[0] + mean[1] * mean[1] * precision[1];
        let determinants = (2.25_f64 * 4.0 / (2.0 - 0.36)).ln();
        let divergence = 0.5 * (trace + squares - 2.0 + determinants);
        let target = Gaussian::new(mean, covariance);
        let bound = eubo(&target, &q.into(), draws.view()).unwrap();
        let exact = eubo(&target, &p.into(), draws.view()).unwrap();
        assert!(exact.mcse < 1e-12, "{exact:?}");
        let error = bound.value - exact.value - divergence;
        assert!(error.abs() < 4.0 * bound.mcse && bound.mcse < 0.01, "{bound:?}, {exact:?} and {divergence}");
    }
}
