//! An engine of your own, which runs through `fit` as the built-in ones do: the init, the stop rule, importance sampling
//! and the verdict are those of every method.
//!
//! This one matches moments: it weighs a batch by p/q and moves the Gaussian a part of the way to the weighted mean and
//! the weighted standard deviations (the simplest adaptive importance sampling; Cappé et al. 2004).
//!
//!     cargo run --release --example custom_engine --no-default-features

use std::error::Error;

use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};
use stanmatch::engine::{Batch, Engine, EngineDefaults, EngineSpec, UpdateFailed};
use stanmatch::fit::{FitOptions, GaussianOptions, Method, fit};
use stanmatch::gaussian::{DenseGaussian, Update};
use stanmatch::init::LocalGaussian;
use stanmatch::model::{Density, Unconstrained};
use stanmatch::random::Rng;

/// The part of the way to a batch's moments that a step goes.
const STEP: f64 = 0.2;

/// The engine: its state is the Gaussian. What is serialised is what a saved fit resumes from.
#[derive(Serialize, Deserialize)]
struct MatchMoments {
    gaussian: DenseGaussian,
}

impl Engine for MatchMoments {
    type Approximation = DenseGaussian;

    fn approximation(&self) -> &DenseGaussian {
        &self.gaussian
    }

    fn set_approximation(&mut self, gaussian: DenseGaussian) {
        self.gaussian = gaussian;
    }

    /// A batch has draws of the Gaussian in its own coordinates, ε, in which the Gaussian is the standard normal, and
    /// the target's log densities there. The update is one in these coordinates too.
    fn step(&mut self, batch: &Batch, _learning_rate: f64) -> Result<(), UpdateFailed> {
        let noise = batch.noise();
        let log_ratios: Array1<f64> = (batch.log_densities().iter().zip(noise.rows()))
            .map(|(log_density, noise)| log_density + 0.5 * noise.dot(&noise))
            .collect();
        let largest = log_ratios.fold(f64::NEG_INFINITY, |most, ratio| most.max(*ratio));
        let weights = log_ratios.mapv(|ratio| (ratio - largest).exp());
        let weights = &weights / weights.sum();
        let mean = weights.dot(&noise);
        let centred = &noise - &mean;
        let variances = (&centred * &centred * &weights.insert_axis(Axis(1))).sum_axis(Axis(0));
        let scales = variances.mapv(|variance| (1.0 - STEP + STEP * variance).sqrt());
        if !scales.iter().all(|scale| scale.is_finite() && *scale > 0.0) {
            return Err(UpdateFailed);
        }
        let log_det = scales.mapv(f64::ln).sum();
        self.gaussian.apply(None, &Update { shift: mean * STEP, factor: Array2::from_diag(&scales), log_det });
        Ok(())
    }
}

/// The engine as a method.
struct MomentMatching;

impl EngineSpec for MomentMatching {
    type Engine = MatchMoments;

    fn name(&self) -> &'static str {
        "moment-matching"
    }

    fn summary(&self) -> &'static str {
        "Matches weighted moments"
    }

    fn defaults(&self, _dim: usize) -> EngineDefaults {
        EngineDefaults { batch: 64, ..EngineDefaults::default() }
    }

    fn start(&self, init: LocalGaussian, _rank: usize, _rng: &mut Rng) -> MatchMoments {
        MatchMoments { gaussian: init.dense() }
    }
}

/// Fits it, and prints what came out.
pub fn main() -> Result<(), Box<dyn Error>> {
    // A log-gamma variable and a normal one.
    let target = Density::new(2, |x: &[f64], gradient: &mut [f64]| {
        (gradient[0], gradient[1]) = (5.0 - x[0].exp(), -(x[1] - 2.0));
        5.0 * x[0] - x[0].exp() - 0.5 * (x[1] - 2.0).powi(2)
    });
    let method = Method::Engine(&MomentMatching, GaussianOptions::default());
    let fit = fit(&Unconstrained::new(target), &FitOptions { method, ..FitOptions::default() }, &())?;
    println!("{} iterations, trusted: {}, k̂ {:.2}", fit.trace.len(), fit.verdict.is_trusted(), fit.verdict.pareto_k);
    // The mean of exp(x[1]) is 5, that of a gamma variable of shape 5.
    let gamma = fit.draws.column("x[1]").ok_or("the model has two coordinates")?.mapv(f64::exp);
    let mean = gamma.mean().unwrap_or(f64::NAN);
    println!("the mean of exp(x[1]) is {mean:.2}, and should be 5");
    if (mean - 5.0).abs() > 0.3 { Err("the importance weights did not correct the fit".into()) } else { Ok(()) }
}
