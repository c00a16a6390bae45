//! Chains that begin from a fit: in coordinates in which its Gaussian is a standard normal, from draws of it. The
//! metric is known before the first iteration, so that a short warm-up does.

use super::{Chain, NutsOptions, Progress, SampleError, Start, sample};
use crate::gaussian::{Approximation, DenseGaussian, GaussianApproximation, LowRankGaussian, NotPositiveDefinite};
use crate::import::{SavedCovariance, SavedFamily};
use crate::model::{Target, Whitened};
use ndarray::Array2;
use thiserror::Error;

/// Warm-up iterations for chains that begin from a fit: enough for the step size, and for the scales where the fit is
/// off.
pub const WARM_START_WARMUP: usize = 150;

/// Why chains cannot begin from a fit.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WarmStartError {
    /// The fit is of another program.
    #[error("the fit is of another program: its parameters are {fit}, the program's {program}")]
    OtherProgram {
        /// The fit's parameters: how many, and one that differs.
        fit: String,
        /// The program's.
        program: String,
    },
    /// The Gaussian has no extent in some direction, or numbers in it are not finite.
    #[error("the Gaussian of the fit cannot be inverted, so chains cannot start from it: fit again")]
    Singular(#[from] NotPositiveDefinite),
}

/// The Gaussian of a saved fit, for a program with the unconstrained parameters `names`.
///
/// # Errors
/// When the fit has other parameters or its Gaussian is singular.
pub fn family_of_fit(saved: SavedFamily, names: &[String]) -> Result<Approximation, WarmStartError> {
    if saved.names != names {
        let index = (0..).find(|&index| saved.names.get(index) != names.get(index)).unwrap_or_default();
        let shown = |names: &[String]| match names.get(index) {
            Some(name) => format!("{}, among them {name}", names.len()),
            None => names.len().to_string(),
        };
        return Err(WarmStartError::OtherProgram { fit: shown(&saved.names), program: shown(names) });
    }
    Ok(match saved.covariance {
        SavedCovariance::Dense(factor) => DenseGaussian::from_factor(saved.mean, factor)?.into(),
        SavedCovariance::LowRank { psi, lambda } => LowRankGaussian::new(saved.mean, &psi, lambda.view())?.into(),
    })
}

/// Runs NUTS chains in the coordinates of a fit's Gaussian, as [`sample`] does otherwise. They begin from draws of it,
/// `spread` times as far from its mean: 1 where the fit is trusted, more where chains that do not meet shall show in
/// R-hat. Draws and log densities are those of `target`, not of the whitened coordinates; step sizes belong to the
/// latter, and no chain has an inverse metric.
pub fn sample_from_fit<T: Target + ?Sized>(
    target: &T,
    fit: &Approximation,
    spread: f64,
    options: &NutsOptions,
    progress: &(dyn Fn(Progress) + Sync),
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
    progress: &(dyn Fn(Progress) + Sync),
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
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray::{Array1, array};

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|index| format!("x[{index}]")).collect()
    }

    #[test]
    fn a_gaussian_is_sampled_from_its_own_fit_in_a_fraction_of_the_gradients() {
        let target = Gaussian::with_condition_number(10, 1e6, &mut stream(3, 0));
        let fit = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap().into();
        let warm = NutsOptions { warmup: WARM_START_WARMUP, ..NutsOptions::default() };
        let chains = sample_from_fit(&target, &fit, 1.0, &warm, &|_| ()).unwrap();
        let values: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
        let values = ndarray::concatenate(ndarray::Axis(0), &values).unwrap();
        let draws = Draws::new(names(10), values, vec![1000; 4]).unwrap();
        for (summary, (mean, variance)) in
            summarise(&draws).iter().zip(target.mean().iter().zip(target.covariance().diag()))
        {
            assert!((summary.mean - mean).abs() < 4.0 * summary.mcse && summary.r_hat < 1.01, "{summary:?}");
            assert!((summary.sd / variance.sqrt()).ln().abs() < 0.1, "{summary:?}");
        }
        let cold = sample(&target, &NutsOptions::default(), &Start::Random, &|_| ()).unwrap();
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
    fn a_low_rank_fit_is_known_again() {
        let (psi, lambda) = (array![1.0, 4.0, 0.25], array![[1.0], [-2.0], [0.5]]);
        let covariance = SavedCovariance::LowRank { psi: psi.clone(), lambda: lambda.clone() };
        let saved = SavedFamily { names: names(3), mean: array![1.0, 2.0, 3.0], covariance };
        let fit = family_of_fit(saved, &names(3)).unwrap();
        let chains = sample_from_fit(
            &Gaussian::new(array![1.0, 2.0, 3.0], Array2::from_diag(&psi) + lambda.dot(&lambda.t())),
            &fit,
            1.0,
            &NutsOptions { warmup: WARM_START_WARMUP, chains: 1, draws: 4000, ..NutsOptions::default() },
            &|_| (),
        )
        .unwrap();
        let sds = chains[0].draws.std_axis(ndarray::Axis(0), 1.0);
        let expected = [2.0_f64.sqrt(), 8.0_f64.sqrt(), 0.5_f64.sqrt()];
        assert!(sds.iter().zip(expected).all(|(sd, expected)| (sd / expected).ln().abs() < 0.1), "{sds}");
        // In the right coordinates a step goes far.
        assert!(chains[0].step_size > 0.5, "{}", chains[0].step_size);
    }

    #[test]
    fn a_fit_of_another_program_or_without_extent_is_refused() {
        let saved = |names: Vec<String>, factor| {
            let covariance = SavedCovariance::Dense(factor);
            SavedFamily { mean: Array1::zeros(names.len()), names, covariance }
        };
        let other =
            |fit, program| family_of_fit(saved(names(fit), Array2::eye(fit)), &names(program)).unwrap_err().to_string();
        assert!(other(2, 3).contains("its parameters are 2, the program's 3, among them x[3]"), "{}", other(2, 3));
        assert!(other(4, 2).contains("4, among them x[3]"));
        for factor in [array![[1.0, 2.0], [2.0, 4.0]], array![[1.0, 0.0], [f64::NAN, 1.0]]] {
            let singular = family_of_fit(saved(names(2), factor), &names(2));
            assert_eq!(singular, Err(WarmStartError::Singular(NotPositiveDefinite)));
        }
    }
}
