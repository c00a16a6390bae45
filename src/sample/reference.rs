//! Reference draws: NUTS draws, thinned until they are as good as independent, under posteriordb's conditions.

use super::checks::{REFERENCE_DRAWS, ReferenceDiagnostics};
use super::{ConstrainError, Metric, NutsOptions, Progress, SampleError, Start, constrain, sample};
use crate::draws::Draws;
use crate::target::StanTarget;
use ndarray::Axis;
use thiserror::Error;

/// Number of chains of a reference.
const CHAINS: usize = 10;
/// The thinning to begin with, posteriordb's own default.
const FIRST_THIN: usize = 10;
/// How often the thinning is raised.
const ATTEMPTS: usize = 4;

/// How reference draws are made.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceOptions {
    /// Warm-up iterations per chain.
    pub warmup: usize,
    /// Iterations per kept draw; None raises it from 10 until the draws are independent enough.
    pub thin: Option<usize>,
    /// The acceptance statistic that the step size is adapted to.
    pub adapt_delta: f64,
    /// A trajectory has at most 2 to this power leapfrog steps.
    pub max_depth: u32,
    /// What the adapted metric can express.
    pub metric: Metric,
    /// The seed of all chains.
    pub seed: u64,
    /// How many chains run at a time.
    pub threads: usize,
}

impl Default for ReferenceOptions {
    fn default() -> Self {
        // Strongly correlated regressions need fifty times fewer gradients than with a diagonal metric.
        let metric = Metric::LowRank;
        Self { warmup: 2000, thin: None, adapt_delta: 0.9, max_depth: 12, metric, seed: 1, threads: 1 }
    }
}

/// Draws that may serve as a reference.
#[derive(Debug, Clone)]
pub struct ReferenceDraws {
    /// The chosen quantities on the constrained scale, to seven significant digits.
    pub draws: Draws,
    /// What they say of themselves.
    pub diagnostics: ReferenceDiagnostics,
    /// How they were made.
    pub options: NutsOptions,
}

/// Why there are no reference draws.
#[derive(Debug, Error)]
pub enum ReferenceError {
    /// The sampler failed.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The program failed on a draw.
    #[error(transparent)]
    Constrain(#[from] ConstrainError),
    /// A quantity of the posterior's description is none of the program's.
    #[error("the posterior's dimensions name {name}, which the program does not declare; it has {has}")]
    UnknownQuantity {
        /// The name in the description.
        name: String,
        /// The program's parameters and transformed parameters.
        has: String,
    },
    /// The draws fail posteriordb's conditions.
    #[error("the draws are not good enough for a reference (thinning {thin}): {}", failures.join("; "))]
    Checks {
        /// The thinning of the last attempt.
        thin: usize,
        /// A sentence per failed check.
        failures: Vec<String>,
    },
}

/// Makes 10 chains of 1000 draws of the quantities whose names, without indices, are in `quantities`; of all parameters and
/// transformed parameters when it is empty. Unless the options fix it, the thinning is raised until posteriordb's conditions
/// hold.
pub fn reference(
    target: &StanTarget,
    quantities: &[String],
    options: &ReferenceOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<ReferenceDraws, ReferenceError> {
    let columns = columns(target, quantities)?;
    let mut nuts = NutsOptions {
        chains: CHAINS,
        warmup: options.warmup,
        draws: REFERENCE_DRAWS / CHAINS,
        thin: options.thin.unwrap_or(FIRST_THIN),
        adapt_delta: options.adapt_delta,
        max_depth: options.max_depth,
        metric: options.metric,
        seed: options.seed,
        threads: options.threads,
    };
    for attempt in 1.. {
        let chains = sample(target, &nuts, &Start::Random, progress)?;
        let points: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
        let draws = rounded(&constrain(target, &points, nuts.seed)?, &columns);
        let divergences = chains.iter().map(|chain| chain.divergences).collect();
        let efmi = chains.iter().map(|chain| chain.efmi).collect();
        let diagnostics = ReferenceDiagnostics::new(&draws, divergences, efmi);
        let failures = diagnostics.failures();
        if failures.is_empty() {
            return Ok(ReferenceDraws { draws, diagnostics, options: nuts });
        }
        if options.thin.is_some() || attempt == ATTEMPTS || !diagnostics.needs_thinning() {
            return Err(ReferenceError::Checks { thin: nuts.thin, failures });
        }
        nuts.thin = next_thin(nuts.thin, &diagnostics);
    }
    unreachable!("the last attempt returns")
}

/// The thinning at which the smallest effective sample size would be the number of draws, with something to spare.
fn next_thin(thin: usize, diagnostics: &ReferenceDiagnostics) -> usize {
    let sizes = diagnostics.ess_bulk.iter().chain(&diagnostics.ess_tail);
    let smallest = sizes.copied().fold(f64::INFINITY, f64::min);
    let factor = (1.3 * diagnostics.draws as f64 / smallest).clamp(1.5, 10.0);
    (thin as f64 * factor).ceil() as usize
}

/// The columns of the chosen quantities, in the program's order.
fn columns(target: &StanTarget, quantities: &[String]) -> Result<Vec<usize>, ReferenceError> {
    let names = &target.names()[..target.transformed_parameter_count()];
    let base = |name: &str| name.split(['[', ':']).next().unwrap_or_default().to_owned();
    if let Some(unknown) = quantities.iter().find(|&quantity| names.iter().all(|name| base(name) != *quantity)) {
        let mut has: Vec<String> = names.iter().map(|name| base(name)).collect();
        has.dedup();
        return Err(ReferenceError::UnknownQuantity { name: unknown.clone(), has: has.join(", ") });
    }
    let chosen = |name: &str| quantities.is_empty() || quantities.contains(&base(name));
    Ok((0..names.len()).filter(|&column| chosen(&names[column])).collect())
}

/// The columns of `draws` to seven significant digits: a hundredth of the Monte Carlo error of any summary of 10 000 draws
/// needs fewer, and the files are half as long.
fn rounded(draws: &Draws, columns: &[usize]) -> Draws {
    let names = columns.iter().map(|&column| draws.names()[column].clone()).collect();
    let values = draws.values().select(Axis(1), columns).mapv(seven_digits);
    Draws::new(names, values, draws.chain_lengths().to_vec()).expect("columns of draws are draws")
}

fn seven_digits(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn chosen_columns_are_rounded() {
        let names = vec!["a".into(), "b[1]".into(), "c".into()];
        let draws = Draws::new(names, array![[1.0, 123456.789, 2.0], [3.0, -1.23456789e-9, 4.0]], vec![1, 1]).unwrap();
        let rounded = rounded(&draws, &[1, 2]);
        assert_eq!(rounded.names(), ["b[1]", "c"]);
        assert_eq!(rounded.values(), array![[123456.8, 2.0], [-1.234568e-9, 4.0]]);
        assert_eq!(rounded.chain_lengths(), [1, 1]);
        assert!(seven_digits(f64::NAN).is_nan());
    }
}
