//! One quantity's draws against what the reference knows of it.

use super::comparison::{ParameterComparison, ParameterFloor};
use super::floor::{SPLITS, TaggedSample, can_be_halved, variance_ratio};
use super::location_scale::Marginal;
use crate::diagnostics::is_heavy_tailed;
use crate::draws::{Reference, Summaries, stan_name};
use ndarray::ArrayView1;

/// What a reference knows of a quantity.
pub(super) enum Known {
    /// Draws, in this column.
    Draws(usize),
    /// Location and scale, and which kind they are.
    Marginal { robust: bool, marginal: Marginal },
}

/// The quantities to compare, those with draws first; a sampler's own are none.
pub(super) fn quantities(reference: &Reference) -> Vec<(String, Known)> {
    let draws = reference.draws.names().iter().enumerate();
    let draws = draws.map(|(column, name)| (stan_name(name), Known::Draws(column)));
    let Summaries { names, mean, sd, q16, q50, q84, heavy_tailed, .. } = &reference.info.summaries;
    let summaries = (0..names.len()).map(|index| {
        let quantiles = Marginal::known(q50[index], 0.5 * (q84[index] - q16[index]));
        let robust = heavy_tailed[index] && quantiles.has_scale();
        let marginal = if robust { quantiles } else { Marginal::known(mean[index], sd[index]) };
        (names[index].clone(), Known::Marginal { robust, marginal })
    });
    draws.chain(summaries).filter(|(name, _)| !name.ends_with("__")).collect()
}

/// A quantity with reference draws: its comparison, its columns in the draws and in the reference, and the errors of
/// location, log scale and W1 between the halves of each split of the reference, scaled to the number of draws.
pub(super) struct WithDraws {
    pub parameter: ParameterComparison,
    pub columns: [usize; 2],
    pub halves: [[f64; 3]; SPLITS],
}

impl WithDraws {
    /// Of the quantity's draws and reference draws, which are in these columns.
    pub fn new(name: String, draws: ArrayView1<'_, f64>, reference: ArrayView1<'_, f64>, columns: [usize; 2]) -> Self {
        let ascending = sorted(draws);
        let sample = TaggedSample::new(reference);
        let robust = Marginal::quantiles(sample.sorted()).has_scale() && is_heavy_tailed(&reference.to_vec());
        let (ours, theirs) = (Marginal::of(robust, &ascending), Marginal::of(robust, sample.sorted()));
        let halves = halves(&sample, robust, &theirs, variance_ratio(draws.len(), reference.len()).sqrt());
        let floor = |error: usize| halves.iter().map(|errors| errors[error]).sum::<f64>() / SPLITS as f64;
        let parameter = ParameterComparison {
            w1: ours.w1(&ascending, &theirs, sample.sorted()),
            floor: ParameterFloor { location_floor: floor(0), log_scale_floor: floor(1), w1_floor: floor(2) },
            ..compare_marginals(name, robust, &ours, &theirs)
        };
        Self { parameter, columns, halves }
    }
}

/// The errors between the halves of each split, times `factor`; NaN where there are too few draws for halves.
fn halves(sample: &TaggedSample, robust: bool, whole: &Marginal, factor: f64) -> [[f64; 3]; SPLITS] {
    let mut halves = [[f64::NAN; 3]; SPLITS];
    if can_be_halved(sample.sorted().len()) {
        let distances = sample.distances_of_halves();
        for (split, errors) in halves.iter_mut().enumerate() {
            let halves = sample.halves(split).map(|half| Marginal::of(robust, &half));
            *errors = whole.errors_of_halves(&halves, distances[split]).map(|error| factor * error);
        }
    }
    halves
}

/// The comparison of a quantity of which the reference keeps no draws.
pub(super) fn compare_with_marginal(
    name: String,
    draws: ArrayView1<'_, f64>,
    robust: bool,
    theirs: &Marginal,
) -> ParameterComparison {
    compare_marginals(name, robust, &Marginal::of(robust, &sorted(draws)), theirs)
}

fn compare_marginals(name: String, robust: bool, ours: &Marginal, theirs: &Marginal) -> ParameterComparison {
    ParameterComparison {
        name,
        robust,
        constant: theirs.is_constant(),
        location: ours.location,
        scale: ours.scale,
        reference_location: theirs.location,
        reference_scale: theirs.scale,
        location_error: ours.location_error(theirs),
        log_scale_error: ours.log_scale_error(theirs),
        w1: f64::NAN,
        floor: ParameterFloor { location_floor: f64::NAN, log_scale_floor: f64::NAN, w1_floor: f64::NAN },
    }
}

fn sorted(draws: ArrayView1<'_, f64>) -> Vec<f64> {
    let mut sorted = draws.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}
