//! Chains that begin from a fit: in coordinates in which its Gaussian is a standard normal, from draws of it. The
//! metric is known before the first iteration, so that a short warm-up does.

use super::{Chain, ChainProgress, NutsOptions, SampleError, Start, sample};
use crate::gaussian::{Approximation, GaussianApproximation};
use crate::model::{Target, Whitened};
use ndarray::Array2;
use std::ops::ControlFlow;

/// Warm-up iterations for chains that begin from a fit: enough for the step size, and for the scales where the fit is
/// off.
pub const WARM_START_WARMUP: usize = 150;

/// Runs NUTS chains in the coordinates of a fit's Gaussian, as [`sample`] does otherwise. They begin from draws of it,
/// `spread` times as far from its mean: 1 where the fit is trusted, more where chains that do not meet shall show in
/// R-hat. Draws and log densities are those of `target`, not of the whitened coordinates; step sizes belong to the
/// latter, and no chain has an inverse metric.
pub fn sample_from_fit<T: Target + ?Sized>(
    target: &T,
    fit: &Approximation,
    spread: f64,
    options: &NutsOptions,
    progress: &(dyn Fn(ChainProgress) -> ControlFlow<()> + Sync),
) -> Result<Vec<Chain>, SampleError> {
    match fit {
        Approximation::Dense(family) => sample_whitened(target, family, spread, options, progress),
        Approximation::LowRank(family) => sample_whitened(target, family, spread, options, progress),
    }
}

fn sample_whitened<T: Target + ?Sized, F: GaussianApproximation>(
    target: &T,
    family: &F,
    spread: f64,
    options: &NutsOptions,
    progress: &(dyn Fn(ChainProgress) -> ControlFlow<()> + Sync),
) -> Result<Vec<Chain>, SampleError> {
    let whitened = Whitened::new(target, family.clone());
    let mut chains = sample(&whitened, options, &Start::Normal(spread), progress)?;
    for chain in &mut chains {
        let mut draws = Array2::zeros(chain.draws.dim());
        family.draws(chain.draws.view(), draws.view_mut());
        chain.draws = draws;
        chain.inverse_metric = None;
        for transition in &mut chain.transitions {
            transition.log_density -= family.log_det_factor();
            transition.energy += family.log_det_factor();
        }
    }
    Ok(chains)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::summarise;
    use crate::draws::Draws;
    use crate::gaussian::{DenseGaussian, LowRankGaussian};
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray::array;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|index| format!("x[{index}]")).collect()
    }

    #[test]
    fn a_gaussian_is_sampled_from_its_own_fit_in_a_fraction_of_the_gradients() {
        let target = Gaussian::with_condition_number(10, 1e6, &mut stream(3, 0));
        let fit = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap().into();
        let warm = NutsOptions { warmup: WARM_START_WARMUP, ..NutsOptions::default() };
        let chains = sample_from_fit(&target, &fit, 1.0, &warm, &|_| ControlFlow::Continue(())).unwrap();
        let values: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
        let values = ndarray::concatenate(ndarray::Axis(0), &values).unwrap();
        let draws = Draws::new(names(10), values, vec![1000; 4]).unwrap();
        for (summary, (mean, variance)) in
            summarise(&draws).iter().zip(target.mean().iter().zip(target.covariance().diag()))
        {
            assert!((summary.mean - mean).abs() < 4.0 * summary.mcse && summary.r_hat < 1.01, "{summary:?}");
            assert!((summary.sd / variance.sqrt()).ln().abs() < 0.1, "{summary:?}");
        }
        let cold = sample(&target, &NutsOptions::default(), &Start::Random, &|_| ControlFlow::Continue(())).unwrap();
        let gradients = |chains: &[Chain]| -> u64 {
            chains.iter().map(|chain| chain.warmup_gradient_evaluations + chain.gradient_evaluations).sum()
        };
        let (warm, cold) = (gradients(&chains), gradients(&cold));
        assert!(warm * 5 < cold, "{warm} and {cold}");
        let transition = &chains[0].transitions[7];
        let at = target.log_density(&chains[0].draws.row(7).to_vec()).unwrap();
        assert!((transition.log_density - at).abs() < 1e-6 && chains[0].inverse_metric.is_none());
    }

    #[test]
    fn chains_from_a_low_rank_fit_have_its_scales() {
        let (psi, lambda) = (array![1.0, 4.0, 0.25], array![[1.0], [-2.0], [0.5]]);
        let fit = LowRankGaussian::new(array![1.0, 2.0, 3.0], &psi, lambda.view()).unwrap().into();
        let chains = sample_from_fit(
            &Gaussian::new(array![1.0, 2.0, 3.0], Array2::from_diag(&psi) + lambda.dot(&lambda.t())),
            &fit,
            1.0,
            &NutsOptions { warmup: WARM_START_WARMUP, chains: 1, draws: 4000, ..NutsOptions::default() },
            &|_| ControlFlow::Continue(()),
        )
        .unwrap();
        let sds = chains[0].draws.std_axis(ndarray::Axis(0), 1.0);
        let expected = [2.0_f64.sqrt(), 8.0_f64.sqrt(), 0.5_f64.sqrt()];
        assert!(sds.iter().zip(expected).all(|(sd, expected)| (sd / expected).ln().abs() < 0.1), "{sds}");
        // In the right coordinates a step goes far.
        assert!(chains[0].step_size > 0.5, "{}", chains[0].step_size);
    }
}
