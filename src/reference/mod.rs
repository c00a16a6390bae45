//! Reference draws: NUTS draws, thinned until they are as good as independent, under posteriordb's conditions.

mod criteria;
mod failure;

pub use criteria::{ChecksMade, ReferenceDiagnostics};
pub use failure::{REFERENCE_DRAWS, ReferenceFailure};

use crate::diagnostics::{chains_of, is_heavy_tailed, quantile, summarise};
use crate::draws::{Draws, Summaries, variable};
use crate::gaussian::Approximation;
use crate::model::Model;
use crate::sample::{
    ChainProgress, ConstrainError, Metric, NutsOptions, SampleError, Start, constrain, sample, sample_from_fit,
};
use ndarray::Axis;
use std::ops::ControlFlow;
use thiserror::Error;
use wildmatch::WildMatch;

/// Number of chains of a reference.
pub const REFERENCE_CHAINS: usize = 10;
/// The thinning to begin with, posteriordb's own default.
const FIRST_THIN: usize = 10;
/// How far from a fit's mean the chains begin, in its standard deviations: where it is about right, they are spread
/// wider than the posterior, as R-hat asks for, and the warm-up takes them back.
const SPREAD: f64 = 2.0;
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
    /// The quantities of which draws are kept, as names or patterns in which `*` stands for any text and `?` for any
    /// character; `theta` alone means all of `theta`. Of the others only summaries are kept. All are kept when it is
    /// empty.
    pub keep: Vec<String>,
}

impl Default for ReferenceOptions {
    fn default() -> Self {
        // Strongly correlated regressions need fifty times fewer gradients than with a diagonal metric.
        let metric = Metric::LowRank;
        Self {
            warmup: 2000,
            thin: None,
            adapt_delta: 0.9,
            max_depth: 12,
            metric,
            seed: 1,
            threads: 1,
            keep: Vec::new(),
        }
    }
}

/// Draws that may serve as a reference.
#[derive(Debug, Clone)]
pub struct ReferenceDraws {
    /// The quantities that are kept, on the constrained scale, to seven significant digits.
    pub draws: Draws,
    /// What they say of themselves.
    pub diagnostics: ReferenceDiagnostics,
    /// What the draws of the other quantities said; the checks hold for them too.
    pub summaries: Summaries,
    /// How they were made.
    pub options: NutsOptions,
    /// Whether the chains began from a fit and ran in its coordinates.
    pub from_fit: bool,
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
    /// No quantity has a name that was to be kept.
    #[error("no quantity of the reference is called {0}, so its draws cannot be kept")]
    NothingKept(String),
    /// The draws fail posteriordb's conditions.
    #[error("the draws are not good enough for a reference (thinning {thin}): {}", listed(failures))]
    Checks {
        /// The thinning of the last attempt.
        thin: usize,
        /// What fails.
        failures: Vec<ReferenceFailure>,
    },
}

/// Makes 10 chains of 1000 draws of the quantities whose names, without indices, are in `quantities`; of all parameters
/// and transformed parameters when it is empty. Unless the options fix it, the thinning is raised until posteriordb's
/// conditions hold, for every quantity, kept or not; the bounds on the effective sample sizes of those that are not are
/// for all of them at once. With a `fit` the chains begin about it and run in its coordinates,
/// which makes neither the draws less exact nor the conditions less strict.
pub fn make_reference(
    target: &dyn Model,
    quantities: &[String],
    fit: Option<&Approximation>,
    options: &ReferenceOptions,
    progress: &(dyn Fn(ChainProgress) -> ControlFlow<()> + Sync),
) -> Result<ReferenceDraws, ReferenceError> {
    let columns = columns(target, quantities)?;
    let (kept, others) = split(target.names(), &columns, &options.keep)?;
    let mut nuts = NutsOptions {
        chains: REFERENCE_CHAINS,
        warmup: options.warmup,
        draws: REFERENCE_DRAWS / REFERENCE_CHAINS,
        thin: options.thin.unwrap_or(FIRST_THIN),
        adapt_delta: options.adapt_delta,
        max_depth: options.max_depth,
        metric: options.metric,
        seed: options.seed,
        threads: options.threads,
    };
    for attempt in 1.. {
        let chains = match fit {
            Some(family) => sample_from_fit(target, family, SPREAD, &nuts, progress)?,
            None => sample(target, &nuts, &Start::Random, progress)?,
        };
        let points: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
        let all = constrain(target, &points, nuts.seed)?;
        let divergences: Vec<usize> = chains.iter().map(|chain| chain.divergences).collect();
        let efmi: Vec<f64> = chains.iter().map(|chain| chain.efmi).collect();
        let of = |draws: &Draws| ReferenceDiagnostics::new(draws, divergences.clone(), efmi.clone());
        let (draws, summarised) = (rounded(&all, &kept), rounded(&all, &others));
        let (of_kept, of_others) = (of(&draws), of(&summarised).of_many());
        let mut failures = of_kept.failures();
        // What is said of the chains is said once; numbers in it may be NaN, which equals nothing.
        let said: Vec<String> = failures.iter().map(ReferenceFailure::to_string).collect();
        failures.extend(of_others.failures().into_iter().filter(|failure| !said.contains(&failure.to_string())));
        if failures.is_empty() {
            let (summaries, from_fit) = (summaries(&summarised), fit.is_some());
            return Ok(ReferenceDraws { diagnostics: of_kept, draws, summaries, options: nuts, from_fit });
        }
        let parts = [of_kept, of_others];
        let thinning_helps = parts.iter().all(|part| part.failures().is_empty() || part.needs_thinning());
        if options.thin.is_some() || attempt == ATTEMPTS || !thinning_helps {
            return Err(ReferenceError::Checks { thin: nuts.thin, failures });
        }
        nuts.thin = next_thin(nuts.thin, &parts);
    }
    unreachable!("the last attempt returns")
}

fn listed(failures: &[ReferenceFailure]) -> String {
    failures.iter().map(ReferenceFailure::to_string).collect::<Vec<_>>().join("; ")
}

/// The thinning at which the smallest effective sample size would be the number of draws, with something to spare.
fn next_thin(thin: usize, parts: &[ReferenceDiagnostics]) -> usize {
    let sizes = parts.iter().flat_map(|part| part.ess_bulk.iter().chain(&part.ess_tail));
    let smallest = sizes.copied().fold(f64::INFINITY, f64::min);
    let factor = (1.3 * REFERENCE_DRAWS as f64 / smallest).clamp(1.5, 10.0);
    (thin as f64 * factor).ceil() as usize
}

/// The columns of the chosen quantities, in the program's order.
fn columns(target: &dyn Model, quantities: &[String]) -> Result<Vec<usize>, ReferenceError> {
    let names = &target.names()[..target.transformed_parameter_count()];
    if let Some(unknown) = quantities.iter().find(|&quantity| names.iter().all(|name| variable(name) != quantity)) {
        let mut has: Vec<&str> = names.iter().map(|name| variable(name)).collect();
        has.dedup();
        return Err(ReferenceError::UnknownQuantity { name: unknown.clone(), has: has.join(", ") });
    }
    let chosen = |name: &str| quantities.is_empty() || quantities.iter().any(|quantity| quantity == variable(name));
    Ok((0..names.len()).filter(|&column| chosen(&names[column])).collect())
}

/// Which of the columns are kept, and which are not.
fn split(names: &[String], columns: &[usize], keep: &[String]) -> Result<(Vec<usize>, Vec<usize>), ReferenceError> {
    let matches = |pattern: &String, column: usize| {
        pattern == variable(&names[column]) || WildMatch::new(pattern).matches(&names[column])
    };
    if let Some(pattern) = keep.iter().find(|pattern| !columns.iter().any(|&column| matches(pattern, column))) {
        return Err(ReferenceError::NothingKept(pattern.clone()));
    }
    let is_kept = |column: &usize| keep.is_empty() || keep.iter().any(|pattern| matches(pattern, *column));
    Ok(columns.iter().copied().partition(is_kept))
}

/// What is kept of quantities whose draws are not.
fn summaries(draws: &Draws) -> Summaries {
    let mut summaries = Summaries::default();
    for (column, it) in summarise(draws).into_iter().enumerate() {
        let values: Vec<f64> = chains_of(draws, column).into_iter().flatten().copied().collect();
        let mut ascending = values.clone();
        ascending.sort_unstable_by(f64::total_cmp);
        summaries.heavy_tailed.push(is_heavy_tailed(&values));
        summaries.names.push(it.name);
        for (list, value) in [
            (&mut summaries.mean, it.mean),
            (&mut summaries.sd, it.sd),
            (&mut summaries.mcse_mean, it.mcse),
            (&mut summaries.q5, it.q5),
            (&mut summaries.q16, quantile(&ascending, 0.16)),
            (&mut summaries.q50, it.q50),
            (&mut summaries.q84, quantile(&ascending, 0.84)),
            (&mut summaries.q95, it.q95),
            (&mut summaries.effective_sample_size_bulk, it.ess_bulk),
            (&mut summaries.effective_sample_size_tail, it.ess_tail),
            (&mut summaries.r_hat, it.r_hat),
        ] {
            list.push(seven_digits(value));
        }
    }
    summaries
}

/// The columns of `draws` to seven significant digits: a hundredth of the Monte Carlo error of any summary of 10 000
/// draws needs fewer, and the files are half as long.
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
    use ndarray::{Array2, array};

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

    #[test]
    fn kept_are_the_quantities_that_a_pattern_names() {
        let names: Vec<String> = ["mu", "theta[1]", "theta[2]", "theta[12]", "tau"].map(str::to_owned).to_vec();
        let kept = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            split(&names, &[0, 1, 2, 3], &patterns)
        };
        assert_eq!(kept(&[]).unwrap(), (vec![0, 1, 2, 3], vec![]));
        assert_eq!(kept(&["theta"]).unwrap(), (vec![1, 2, 3], vec![0]));
        assert_eq!(kept(&["theta[1*]", "mu"]).unwrap(), (vec![0, 1, 3], vec![2]));
        assert_eq!(kept(&["theta[?]"]).unwrap(), (vec![1, 2], vec![0, 3]));
        // `tau` is no quantity of this reference.
        assert!(kept(&["mu", "tau"]).unwrap_err().to_string().contains("called tau"));
    }

    #[test]
    fn summaries_say_what_the_draws_say() {
        let values = Array2::from_shape_fn((1000, 2), |(row, column)| {
            let place = ((row * 617) % 1000) as f64 / 1000.0;
            if column == 0 { place } else { 100.0 * place / (1.0 + row as f64) }
        });
        let draws = Draws::new(vec!["even".into(), "falling".into()], values, vec![500; 2]).unwrap();
        let summaries = summaries(&draws);
        assert_eq!(summaries.names, draws.names());
        assert_eq!(summaries.heavy_tailed, [false, true]);
        let even = [&summaries.mean, &summaries.q5, &summaries.q16, &summaries.q50, &summaries.q84].map(|it| it[0]);
        let expected = [0.4995, 0.04995, 0.15984, 0.4995, 0.83916];
        assert!(even.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{even:?}");
    }
}
