//! What summaries of short chains say: whether a moment may move, how precise it is, how far it
//! drifted.

use crate::compare::TOLERANCE;
use crate::diagnostics::{MomentSummary, Movement, moments};
use crate::fit::monte_carlo_error::PRECISE;
use crate::fit::unsettled::Moment;
use ndarray::Array2;
use rayon::prelude::*;

/// Standard errors that are added to a movement before it is compared with the tolerance: chains
/// are stationary if no movement would be outside with so many more. Not compared with other
/// values.
const ADDED_ERRORS: f64 = 1.0;
/// Standard errors that are subtracted to see whether a moment certainly moves, by chance in one of
/// 700 cases. Then the first half of the transitions is discarded.
const SUBTRACTED_ERRORS: f64 = 3.0;

/// Means and standard deviations of the parameters.
pub type Moments = Vec<(f64, f64)>;

/// A parameter's moment that may move by more than the tolerance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mover {
    /// The parameter's index.
    pub parameter: usize,
    pub moment: Moment,
    pub movement: Movement,
}

/// The movements of parameters' moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Movements {
    /// The moment that may move most.
    pub largest: Mover,
    /// Whether a moment certainly moves by more than the tolerance.
    pub certain: bool,
}

impl Movements {
    /// Of the parameters; none if no moment may move by more than the tolerance.
    pub fn of(summaries: &[MomentSummary]) -> Option<Self> {
        let movers = summaries.iter().enumerate().flat_map(|(parameter, summary)| movers(parameter, summary));
        let (mut largest, mut certain): (Option<Mover>, bool) = (None, false);
        for mover in movers.filter(|mover| upper_bound(&mover.movement) > TOLERANCE) {
            certain |= lower_bound(&mover.movement) > TOLERANCE;
            if largest.is_none_or(|largest| upper_bound(&mover.movement) > upper_bound(&largest.movement)) {
                largest = Some(mover);
            }
        }
        largest.map(|largest| Self { largest, certain })
    }
}

fn movers(parameter: usize, summary: &MomentSummary) -> [Mover; 2] {
    [(Moment::Mean, summary.mean_movement), (Moment::LogSd, summary.log_sd_movement)].map(|(moment, movement)| Mover {
        parameter,
        moment,
        movement,
    })
}

fn upper_bound(movement: &Movement) -> f64 {
    movement.value.abs() + ADDED_ERRORS * movement.error
}

fn lower_bound(movement: &Movement) -> f64 {
    movement.value.abs() - SUBTRACTED_ERRORS * movement.error
}

/// Whether a parameter may move, or is imprecise.
pub fn is_unclear(summary: &MomentSummary) -> bool {
    let moving = movers(0, summary).iter().any(|mover| upper_bound(&mover.movement) > TOLERANCE);
    moving || summary.mean_error.max(summary.log_sd_error) > PRECISE
}

/// The parameter with the largest Monte Carlo error, infinite where it is not known. What never
/// moves has none.
pub fn least_precise(summaries: &[MomentSummary]) -> Option<(usize, f64)> {
    let moving = summaries.iter().enumerate().filter(|(_, summary)| summary.sd != 0.0);
    let errors = moving.map(|(parameter, &MomentSummary { mean_error, log_sd_error, .. })| {
        let unknown = mean_error.is_nan() || log_sd_error.is_nan();
        (parameter, if unknown { f64::INFINITY } else { mean_error.max(log_sd_error) })
    });
    errors.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The moments of the columns of `parameters` (draws × parameters).
pub fn moments_of(parameters: &Array2<f64>) -> Moments {
    let columns: Vec<_> = parameters.columns().into_iter().collect();
    columns.into_par_iter().map(|column| moments(&column.to_vec())).collect()
}

/// The largest movement of a mean, in standard deviations after it, or of a log standard deviation.
/// What never moves, and what has no moments (NaN), has none.
pub fn largest_drift(before: &Moments, after: &Moments) -> f64 {
    let of_one = |(&(mean, sd), &(new_mean, new_sd)): (&(f64, f64), &(f64, f64))| {
        ((new_mean - mean).abs() / new_sd).max((new_sd / sd).ln().abs())
    };
    before.iter().zip(after).map(of_one).filter(|drift| !drift.is_nan()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Movement = Movement { value: 0.0, error: 0.01 };

    fn summary(sd: f64, mean_error: f64, log_sd_error: f64) -> MomentSummary {
        let (mean_movement, log_sd_movement) = (STILL, STILL);
        MomentSummary { mean: 1.0, sd, mean_error, log_sd_error, mean_movement, log_sd_movement }
    }

    #[test]
    fn what_never_moves_hides_no_imprecise_parameter() {
        let constant = summary(0.0, f64::NAN, -f64::NAN);
        let summaries = [constant, summary(1.0, 0.01, 0.05), summary(2.0, 0.03, 0.02), constant];
        assert_eq!(least_precise(&summaries), Some((1, 0.05)));
        assert_eq!(least_precise(&[summaries[1], summary(f64::NAN, 0.01, f64::NAN)]), Some((1, f64::INFINITY)));
        assert_eq!(least_precise(&[constant]), None);
    }

    #[test]
    fn the_largest_drift_is_of_a_mean_or_of_a_scale() {
        let before = vec![(0.0, 1.0), (5.0, 0.0), (1.0, 2.0)];
        assert_eq!(largest_drift(&before, &vec![(1.0, 2.0), (5.0, 0.0), (1.0, 2.0)]), 2.0_f64.ln());
        assert_eq!(largest_drift(&before, &vec![(0.0, 1.0), (5.0, 0.0), (4.0, 2.0)]), 1.5);
    }

    #[test]
    fn a_movement_is_judged_with_its_error() {
        let moved =
            |value, error| MomentSummary { log_sd_movement: Movement { value, error }, ..summary(1.0, 0.0, 0.0) };
        assert_eq!(Movements::of(&[summary(1.0, 0.0, 0.0), moved(-0.09, 0.005)]), None);
        let may = Movements::of(&[summary(1.0, 0.0, 0.0), moved(-0.09, 0.02)]).unwrap();
        assert_eq!((may.largest.parameter, may.largest.moment, may.certain), (1, Moment::LogSd, false));
        // The one that certainly moves need not be the one that may move most.
        let both = Movements::of(&[moved(0.2, 0.01), moved(0.1, 0.2)]).unwrap();
        assert_eq!((both.largest.parameter, both.certain), (1, true));
    }
}
