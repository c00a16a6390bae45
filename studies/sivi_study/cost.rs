//! What a step of the training costs, by parts, in wall-clock time.

use std::error::Error;
use std::time::Instant;

use stanmatch::engine::sivi::{SiviOptions, Trainer};
use stanmatch::init::{PathOptions, path};
use stanmatch::model::{Target, Whitened};

use crate::problem::load;

const NAMES: [&str; 2] = ["no_data-x_shaped", "waveform-logistic_regression"];
const STEPS: usize = 300;
/// Repetitions of every measurement.
const ROUNDS: usize = 7;

/// A table: a whole step of either descent, and what its parts cost.
pub fn table() -> Result<(), Box<dyn Error>> {
    println!(
        "| posterior | D | batch | step in ms, Kullback–Leibler | Fisher | target's scores | its products | a critic's step |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for name in NAMES {
        let (_, target) = load(name)?;
        let coordinates = path(&target, &PathOptions::default(), 1)?.0.dense();
        let whitened = Whitened::new(&target, coordinates);
        let options = SiviOptions::default();
        let step = |transport, inner_steps| {
            let options = SiviOptions { transport, inner_steps, ..options.clone() };
            milliseconds(STEPS, || {
                let mut trainer = Trainer::<f32>::new(target.dim(), options.clone())?;
                (0..STEPS).try_for_each(|_| trainer.step(&whitened).map(drop)).map_err(Into::into)
            })
        };
        let (transport, fisher) = (step(1.0, options.inner_steps)?, step(0.0, options.inner_steps)?);
        let critic = (transport - step(1.0, 1)?) / (options.inner_steps - 1) as f64;
        let (points, mut out) = (vec![0.1; target.dim()], vec![0.0; target.dim()]);
        let evaluations = STEPS * options.batch;
        let per_batch = options.batch as f64;
        let scores = per_batch
            * milliseconds(evaluations, || {
                (0..evaluations).for_each(|_| _ = whitened.log_density_and_score(&points, &mut out));
                Ok(())
            })?;
        let products = per_batch
            * milliseconds(evaluations, || {
                (0..evaluations).for_each(|_| _ = whitened.hessian_vector(&points, &points, &mut out));
                Ok(())
            })?;
        println!(
            "| {name} | {} | {} | {transport:.2} | {fisher:.2} | {scores:.2} | {products:.2} | {critic:.2} |",
            target.dim(),
            options.batch
        );
    }
    Ok(())
}

/// The least time in milliseconds of one of the `count` repetitions that `work` makes.
fn milliseconds(count: usize, mut work: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        work()?;
        least = least.min(1e3 * began.elapsed().as_secs_f64() / count as f64);
    }
    Ok(least)
}
