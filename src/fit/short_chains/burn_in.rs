//! Burn-in: the step size is adapted until the chains have forgotten where they started.

use super::chains::{Chains, columns};
use super::sampling::LEAST_TRANSITIONS;
use crate::diagnostics::{StartValues, critical_correlation};
use crate::fit::unsettled::Unsettled;
use crate::gaussian::GaussianApproximation;
use ndarray::Array2;
use rayon::prelude::*;

/// Fewest transitions of burn-in. Not compared with other numbers, as the two below.
const LEAST: usize = 6;
/// Most transitions of burn-in with trajectories of one length.
const MOST: usize = 32;
/// Transitions from one test of what the chains remember to the next.
const STRIDE: usize = 2;

/// The burn-in of an attempt.
pub struct BurnIn {
    /// The quantities of [`Chains::quantities`] where the chains started.
    starts: Vec<StartValues>,
    /// The correlation with them above which chains remember a quantity.
    critical: f64,
    /// The mean acceptance probability that the step size is adapted to.
    acceptance: f64,
    /// Transitions with trajectories of the present length.
    transitions: usize,
}

/// What a test of burn-in says.
pub enum BurnInTest {
    /// The chains have forgotten where they started.
    Forgotten,
    /// They have not yet.
    Remembered,
    /// They have not, after the most transitions; trajectories are twice as long from now on.
    Lengthened,
    /// There is no more to be done.
    Failed(Unsettled),
}

impl BurnIn {
    /// Starts from where `chains` are.
    pub fn start<F: GaussianApproximation>(chains: &mut Chains<'_, F>, acceptance: f64) -> Self {
        let starts: Vec<StartValues> = columns(&chains.quantities()).into_par_iter().map(StartValues::new).collect();
        chains.adapt_anew();
        Self { critical: critical_correlation(chains.count(), starts.len()), starts, acceptance, transitions: 0 }
    }

    /// Makes the transitions up to the next test.
    pub fn step<F: GaussianApproximation>(&mut self, chains: &mut Chains<'_, F>) -> BurnInTest {
        loop {
            if !chains.pays_for(1) {
                return BurnInTest::Failed(Unsettled::Stopped);
            }
            if chains.adapting_transition(self.acceptance).is_break() {
                return BurnInTest::Failed(Unsettled::Cancelled);
            }
            self.transitions += 1;
            if self.transitions >= LEAST && self.transitions.is_multiple_of(STRIDE) {
                break;
            }
        }
        let Some((quantity, correlation)) = self.most_remembered(&chains.quantities()) else {
            return BurnInTest::Forgotten;
        };
        if self.transitions < MOST {
            return BurnInTest::Remembered;
        }
        if chains.may_lengthen(2 * LEAST_TRANSITIONS) {
            chains.lengthen();
            self.transitions = 0;
            return BurnInTest::Lengthened;
        }
        let parameter = chains.names().get(quantity).cloned();
        BurnInTest::Failed(Unsettled::StillRemembers { parameter, correlation, transitions: self.transitions })
    }

    /// The quantity (column of `now`, chains × quantities) that correlates most with where the
    /// chains started, if more than by chance, and the correlation.
    fn most_remembered(&self, now: &Array2<f64>) -> Option<(usize, f64)> {
        let pairs = self.starts.par_iter().zip(columns(now));
        let correlations: Vec<f64> = pairs.map(|(start, now)| start.correlation(now)).collect();
        let remembered = correlations.into_iter().enumerate().filter(|(_, correlation)| *correlation > self.critical);
        remembered.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}
