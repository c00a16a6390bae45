//! One quantity's draws against what the reference knows of it.

use super::comparison::{ParameterComparison, ParameterFloor};
use super::halves::{SPLITS, TaggedSample, can_be_halved, variance_ratio};
use super::marginal::Marginal;
use crate::database::{Reference, Summaries};
use crate::diagnostics::is_heavy_tailed;
use crate::draws::stan_name;
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
        let robust = heavy_tailed[index];
        let marginal = if robust {
            Marginal { location: q50[index], scale: 0.5 * (q84[index] - q16[index]) }
        } else {
            Marginal { location: mean[index], scale: sd[index] }
        };
        (names[index].clone(), Known::Marginal { robust, marginal })
    });
    draws.chain(summaries).filter(|(name, _)| !name.ends_with("__")).collect()
}

/// A quantity with reference draws: its comparison, both sets of draws in the order in which they came, and the errors of
/// location, log scale and W1 between the halves of each split of the reference, scaled to the number of draws.
pub(super) struct WithDraws {
    pub parameter: ParameterComparison,
    pub draws: Vec<f64>,
    pub reference: Vec<f64>,
    pub halves: [[f64; 3]; SPLITS],
}

impl WithDraws {
    pub fn new(name: String, draws: Vec<f64>, reference: Vec<f64>) -> Self {
        let robust = is_heavy_tailed(&reference);
        let ascending = sorted(draws.clone());
        let sample = TaggedSample::new(ArrayView1::from(&reference));
        let theirs = Marginal::of(robust, sample.sorted());
        let halves = halves(&sample, robust, &theirs, variance_ratio(draws.len(), reference.len()).sqrt());
        let floor = |error: usize| halves.iter().map(|errors| errors[error]).sum::<f64>() / SPLITS as f64;
        let parameter = ParameterComparison {
            w1: Marginal::of(robust, &ascending).w1(&ascending, &theirs, sample.sorted()),
            floor: ParameterFloor { location_floor: floor(0), log_scale_floor: floor(1), w1_floor: floor(2) },
            ..compare_with_marginal(name, ascending, robust, &theirs)
        };
        Self { parameter, draws, reference, halves }
    }

    /// Whether the reference has but one value.
    pub fn is_constant(&self) -> bool {
        let ParameterComparison { reference_location: location, reference_scale: scale, .. } = self.parameter;
        Marginal { location, scale }.is_constant()
    }
}

/// The errors between the halves of each split, times `factor`; NaN where there are too few draws for halves.
fn halves(sample: &TaggedSample, robust: bool, whole: &Marginal, factor: f64) -> [[f64; 3]; SPLITS] {
    let mut halves = [[f64::NAN; 3]; SPLITS];
    if can_be_halved(sample.sorted().len()) {
        for (split, errors) in halves.iter_mut().enumerate() {
            let [first, second] = sample.halves(split);
            let (one, other) = (Marginal::of(robust, &first), Marginal::of(robust, &second));
            *errors = whole.errors_of_halves((one, &first), (other, &second)).map(|error| factor * error);
        }
    }
    halves
}

/// The comparison of a quantity of which the reference keeps no draws.
pub(super) fn compare_with_marginal(
    name: String,
    draws: Vec<f64>,
    robust: bool,
    theirs: &Marginal,
) -> ParameterComparison {
    let ours = Marginal::of(robust, &sorted(draws));
    ParameterComparison {
        name,
        robust,
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

fn sorted(mut draws: Vec<f64>) -> Vec<f64> {
    draws.sort_unstable_by(f64::total_cmp);
    draws
}
