//! A triangular map, fitted to the scores along short Hamiltonian chains that run in its coordinates.
//!
//! A proposal that learns from its own draws does not look where it has not been. So the points come from
//! chains. In the map's coordinates the target becomes more and more like a standard normal. The map is
//! fitted to the scores at all points of the trajectories, and the chains continue in the new coordinates.
//! Every gradient is used.

mod archive;
mod chains;
mod saved;

pub use saved::SavedExploration;

use crate::gaussian::{DenseGaussian, GaussianApproximation};
use crate::linalg::NotPositiveDefinite;
use crate::model::Target;
use crate::random::Rng;
use crate::transport::{MapFitOptions, NEGLIGIBLE, Structure, TriangularMap, mean_residual, search};
use archive::Archive;
use chains::Chains;
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use saved::States;
use thiserror::Error;

/// How many chains there are.
const CHAINS: usize = 32;
/// The smallest budget with which an exploration makes sense: its start, and a step of each chain.
pub const LEAST_BUDGET: u64 = 2 * CHAINS as u64;
/// Transitions of each chain in a round, after which the map is fitted anew.
const TRANSITIONS: usize = 3;
/// Rounds after which the coordinates are standardised and the structure is searched anew, counted from 0:
/// once when the chains have left the Gaussian, and once when they have spread.
const SEARCHES: [usize; 2] = [2, 6];
/// In more dimensions than so many a search takes seconds, and there is one.
const MANY: usize = 40;
const ONE_SEARCH: [usize; 1] = [4];
/// Rounds after which an exploration may end, and those after which it does.
const FIRST_END: usize = 10;
const MOST_ROUNDS: usize = 14;
/// Rounds by which an exploration continues where its map was not good enough: as many points again as the last
/// fit had.
const FURTHER_ROUNDS: usize = 10;
/// It ends when the residual over two rounds is above this share of that over the two before, or [negligible](NEGLIGIBLE).
const SETTLED: f64 = 0.85;
/// A round's fit is to so many of so many last points.
const FITTED: usize = 512;
const RECENT: usize = 1800;
/// A search is from more of them.
const SEARCHED: usize = 1200;
/// The last fit is to so many of so many, with a smaller penalty; to more after more than the [usual](MOST_ROUNDS)
/// rounds.
const LAST_FITTED: usize = 1500;
const LAST_RECENT: usize = 3000;
/// A round is judged by the residual at its last points before the map is fitted to them.
const JUDGED: usize = 200;
/// Iterations of a round's fit, of the one to a new structure, and of the last.
const ROUND_ITERATIONS: u64 = 60;
const SEARCH_ITERATIONS: u64 = 100;
const LAST_ITERATIONS: u64 = 150;
/// A fit in so many dimensions ends where an iteration lowers its objective by less than this. For the horseshoe regression
/// with 84 parameters that takes half the time, and the residual is no larger.
const COARSE: f64 = 1e-4;
/// The share of the usual penalty that the last fit has.
const LAST_PENALTY: f64 = 1.0 / 3.0;
/// Transitions after which the chains' states are kept: the last ones, likewise.
const KEPT_TRANSITIONS: usize = 18;

/// Why an exploration cannot begin or continue.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum ExplorationError {
    /// There are no points to begin at.
    #[error("nearly all draws of the Gaussian that the map begins at have no finite log density")]
    Rejected,
    /// The moments of the points make no Gaussian.
    #[error("the points that the map's chains met have no positive definite covariance")]
    NotPositiveDefinite,
}

impl From<NotPositiveDefinite> for ExplorationError {
    fn from(_: NotPositiveDefinite) -> Self {
        Self::NotPositiveDefinite
    }
}

/// An exploration: a map, the chains that run in its coordinates, and the points that they met. It is a state
/// machine of [rounds](Self::round), as many as are [needed](Self::is_over), and a last fit.
pub struct Exploration {
    constrained: Vec<bool>,
    rng: Rng,
    map: TriangularMap,
    chains: Chains,
    archive: Archive,
    /// Where the chains were after each of the last transitions.
    states: Vec<States>,
    rounds: usize,
    /// The residuals of the rounds since the last search.
    residuals: Vec<f64>,
}

/// How an exploration is bounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Rounds at least.
    pub least_rounds: usize,
    /// Rounds at most.
    pub rounds: usize,
    /// Gradient evaluations at most, since the beginning, where they are bounded.
    pub budget: Option<u64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { least_rounds: FIRST_END, rounds: MOST_ROUNDS, budget: None }
    }
}

impl Bounds {
    /// Rounds of an exploration that continues so often, at most.
    pub const fn most_rounds(continuations: usize) -> usize {
        MOST_ROUNDS + continuations * FURTHER_ROUNDS
    }

    /// Those of an exploration that continues after so many rounds.
    pub fn after(self, rounds: usize) -> Self {
        let rounds = rounds + FURTHER_ROUNDS;
        Self { least_rounds: rounds, rounds, ..self }
    }
}

/// What a round was like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Its number, from 0.
    pub round: usize,
    /// The mean acceptance probability of its transitions.
    pub acceptance: f64,
    /// The chains' step size after it.
    pub step: f64,
    /// The mean of log(1 + ‖R‖²/D) at its last points, before the round's fit. In a round that searched for a
    /// structure, the search has fitted the map to a part of them.
    pub residual: f64,
    /// Trajectories that diverged, or came to a point that the target rejects.
    pub divergences: usize,
    /// Gradient evaluations since the beginning.
    pub gradient_evaluations: u64,
}

/// What an exploration found.
#[derive(Debug, Clone)]
pub struct Explored {
    /// The map.
    pub map: TriangularMap,
    /// Where the chains were after each of the last transitions, (chains · transitions) × D, transition
    /// after transition: draws that did not come from the map.
    pub states: Array2<f64>,
    /// The log densities there.
    pub state_log_densities: Vec<f64>,
    /// The mean of log(1 + ‖R‖²/D) at the points that the map was last fitted to.
    pub residual: f64,
    /// Gradient evaluations.
    pub gradient_evaluations: u64,
}

impl Exploration {
    /// Begins at draws of `gaussian`. `constrained` tells which of the D coordinates belong to constrained
    /// parameters. Draws that the target rejects are redrawn, with at most `budget` gradient evaluations.
    ///
    /// # Errors
    /// Where the target rejects nearly all draws, or the Gaussian is degenerate.
    pub fn begin<T: Target + ?Sized>(
        target: &T,
        gaussian: &DenseGaussian,
        constrained: Vec<bool>,
        mut rng: Rng,
        budget: Option<u64>,
    ) -> Result<Self, ExplorationError> {
        assert_eq!(constrained.len(), target.dim(), "constrained or not for each coordinate");
        let frame = (gaussian.mean().to_owned(), gaussian.sds());
        let structure = Structure::linear(target.dim());
        let map = TriangularMap::gaussian(structure, frame, &gaussian.mean().to_owned(), &gaussian.covariance())?;
        let mut archive = Archive::new(target.dim());
        let chains = Chains::new(target, &map, (CHAINS, budget), &mut archive, &mut rng);
        let chains = chains.ok_or(ExplorationError::Rejected)?;
        Ok(Self { constrained, rng, map, chains, archive, states: Vec::new(), rounds: 0, residuals: Vec::new() })
    }

    /// A few transitions, then a fit to recent points. The result does not depend on the number of
    /// threads.
    ///
    /// # Errors
    /// Where the points have no positive definite covariance.
    pub fn round<T: Target + ?Sized>(&mut self, target: &T, bounds: Bounds) -> Result<Round, ExplorationError> {
        let (mut acceptance, mut divergences) = (0.0, 0);
        for _ in 0..TRANSITIONS {
            let most_steps = self.steps_left(bounds).max(1);
            let transition = self.chains.transition(target, &self.map, most_steps, &mut self.archive, &mut self.rng);
            acceptance += transition.acceptance / TRANSITIONS as f64;
            divergences += transition.divergences;
            let (points, log_densities) = (self.chains.points().to_owned(), self.chains.log_densities().to_vec());
            self.states.push(States { points, log_densities: log_densities.into() });
            if !self.may_continue(bounds) {
                break;
            }
        }
        let excess = self.states.len().saturating_sub(self.kept(KEPT_TRANSITIONS));
        self.states.drain(..excess);
        self.archive.keep(self.kept(LAST_RECENT));
        let (points, scores) = self.archive.recent(RECENT, SEARCHED, &mut self.rng);
        let fitted = s![..points.nrows().min(FITTED), ..];
        let searches = if self.is_large() { &ONE_SEARCH[..] } else { &SEARCHES };
        if searches.contains(&self.rounds) {
            let found = search(points.view(), scores.view(), &self.constrained, &mut self.rng)?;
            self.map = found.start;
            let options = self.fit_options(SEARCH_ITERATIONS);
            self.map.fit(points.slice(fitted), scores.slice(fitted), options);
            self.residuals.clear();
        }
        let (last, last_scores) = self.archive.last(JUDGED);
        let residual = mean_residual(&self.map, last, last_scores);
        self.residuals.push(residual);
        let options = self.fit_options(ROUND_ITERATIONS);
        self.map.fit(points.slice(fitted), scores.slice(fitted), options);
        self.chains.set_map(&self.map);
        self.rounds += 1;
        Ok(Round {
            round: self.rounds - 1,
            acceptance,
            step: self.chains.step(),
            residual,
            divergences,
            gradient_evaluations: self.chains.evaluations(),
        })
    }

    /// Whether further rounds would not make the map better, or are not allowed.
    pub fn is_over(&self, bounds: Bounds) -> bool {
        let mean = |residuals: &[f64]| 0.5 * residuals.iter().sum::<f64>();
        let settled = match *self.residuals {
            [.., a, b, c, d] => mean(&[c, d]) > SETTLED * mean(&[a, b]) || mean(&[c, d]) < NEGLIGIBLE,
            _ => false,
        };
        let enough = self.rounds >= bounds.least_rounds && settled;
        enough || self.rounds >= bounds.rounds || !self.may_continue(bounds)
    }

    /// The map fitted a last time, to more points. The exploration can continue as if it had not been.
    pub fn explored(&self) -> Explored {
        let (mut map, mut rng) = (self.map.clone(), self.rng.clone());
        let (points, scores) = self.archive.recent(self.kept(LAST_RECENT), self.kept(LAST_FITTED), &mut rng);
        let options = self.fit_options(LAST_ITERATIONS);
        let penalty = LAST_PENALTY * options.penalty;
        map.fit(points.view(), scores.view(), MapFitOptions { penalty, ..options });
        let residual = mean_residual(&map, points.view(), scores.view());
        let views: Vec<ArrayView2<'_, f64>> = self.states.iter().map(|states| states.points.view()).collect();
        let states = match views[..] {
            [] => Array2::zeros((0, map.dim())),
            _ => concatenate(Axis(0), &views).expect("all points have D coordinates"),
        };
        Explored {
            map,
            states,
            state_log_densities: self.states.iter().flat_map(|states| states.log_densities.clone()).collect(),
            residual,
            gradient_evaluations: self.chains.evaluations(),
        }
    }

    /// Rounds so far.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Whether the budget pays for another step.
    pub fn may_continue(&self, bounds: Bounds) -> bool {
        self.steps_left(bounds) > 0
    }

    /// Whether a fit takes seconds.
    fn is_large(&self) -> bool {
        self.map.dim() > MANY
    }

    /// How the map is fitted, with at most so many iterations.
    fn fit_options(&self, max_iterations: u64) -> MapFitOptions {
        let usual = MapFitOptions::default();
        let tolerance = if self.is_large() { COARSE } else { usual.tolerance };
        MapFitOptions { max_iterations, tolerance, ..usual }
    }

    /// How many of what the usual number of rounds keeps `usual` of are kept.
    fn kept(&self, usual: usize) -> usize {
        usual * self.rounds.max(MOST_ROUNDS) / MOST_ROUNDS
    }

    /// The leapfrog steps of all chains that the budget pays for.
    fn steps_left(&self, bounds: Bounds) -> usize {
        bounds.budget.map_or(usize::MAX, |budget| {
            (budget.saturating_sub(self.chains.evaluations()) / self.chains.count() as u64) as usize
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Bam, DriverOptions, run};
    use crate::model::{Banana, CountingTarget};
    use crate::random::{standard_normal, stream};
    use crate::transport::testing::FUNNEL;
    use std::ops::ControlFlow;

    /// The Gaussian that batch and match finds from the standard normal.
    fn gaussian<T: Target>(target: &T, seed: u64) -> DenseGaussian {
        let mut engine = Bam::new(DenseGaussian::standard(target.dim()));
        let target = CountingTarget::new(target);
        run(&mut engine, &target, &DriverOptions::default(), &mut stream(seed, 0), &mut |_| ControlFlow::Continue(()))
            .unwrap()
            .approximation
    }

    /// Explores `target` from `gaussian` until that is over.
    fn explore<T: Target + ?Sized>(
        target: &T,
        gaussian: &DenseGaussian,
        constrained: Vec<bool>,
        rng: Rng,
        bounds: Bounds,
    ) -> Result<Explored, ExplorationError> {
        let mut exploration = Exploration::begin(target, gaussian, constrained, rng, bounds.budget)?;
        while !exploration.is_over(bounds) {
            exploration.round(target, bounds)?;
        }
        Ok(exploration.explored())
    }

    fn explored<T: Target>(target: &T, seed: u64) -> Explored {
        let free = vec![false; target.dim()];
        explore(target, &gaussian(target, seed), free, stream(seed, 1), Bounds::default()).unwrap()
    }

    /// Mean and standard deviation of the first coordinate of 8 000 draws.
    fn first_moments(explored: &Explored) -> (f64, f64) {
        let noise = standard_normal(&mut stream(9, 2), (8000, explored.map.dim()));
        let mut draws = Array2::zeros(noise.dim());
        explored.map.draws(noise.view(), draws.view_mut());
        (draws.column(0).mean().unwrap(), draws.column(0).std(1.0))
    }

    #[test]
    fn banana_and_funnel_are_found_for_a_few_thousand_gradients() {
        let banana = explored(&Banana, 1);
        assert!(banana.residual < 1e-4 && banana.gradient_evaluations < 4000, "{}", banana.residual);
        let (mean, sd) = first_moments(&banana);
        assert!(mean.abs() < 0.05 && sd.ln().abs() < 0.05, "{mean} and {sd}");
        let funnel = explored(&FUNNEL, 1);
        assert!(funnel.residual < 0.1 && funnel.gradient_evaluations < 5000, "{}", funnel.residual);
        assert_eq!(funnel.map.structure().drivers(), [0]);
        let (mean, sd) = first_moments(&funnel);
        // Its own draws, without weights: the neck is the last part that a map finds.
        assert!(mean.abs() < 0.5 && (sd / 3.0).ln().abs() < 0.2, "{mean} and {sd}");
        assert_eq!(funnel.states.nrows(), funnel.state_log_densities.len());
    }

    #[test]
    fn a_budget_is_kept() {
        let bounds = Bounds { budget: Some(500), ..Bounds::default() };
        let start = gaussian(&Banana, 1);
        let explored = explore(&Banana, &start, vec![false; 2], stream(1, 1), bounds).unwrap();
        assert!((400..=500).contains(&explored.gradient_evaluations), "{}", explored.gradient_evaluations);
    }

    #[test]
    fn an_exploration_on_file_is_resumed_exactly_on_any_number_of_threads() {
        let start = gaussian(&Banana, 1);
        let begin = || Exploration::begin(&Banana, &start, vec![false; 2], stream(1, 1), None).unwrap();
        let bounds = |rounds| Bounds { rounds, ..Bounds::default() };
        let run = |exploration: &mut Exploration, rounds, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                while !exploration.is_over(bounds(rounds)) {
                    exploration.round(&Banana, bounds(rounds)).unwrap();
                }
            });
        };
        let (mut whole, mut stopped) = (begin(), begin());
        run(&mut whole, 5, 1);
        run(&mut stopped, 3, 3);
        let text = serde_json::to_string(&stopped.saved()).unwrap();
        let mut resumed = Exploration::restored(serde_json::from_str(&text).unwrap(), 2).unwrap();
        run(&mut resumed, 5, 3);
        assert_eq!(serde_json::to_string(&resumed.saved()).unwrap(), serde_json::to_string(&whole.saved()).unwrap());
        assert_eq!(resumed.explored().map, whole.explored().map);
        assert!(Exploration::restored(serde_json::from_str(&text).unwrap(), 3).is_none());
    }

    #[test]
    fn where_the_target_rejects_everything_there_is_no_start() {
        struct Nothing;
        impl Target for Nothing {
            fn dim(&self) -> usize {
                1
            }
            fn log_density(&self, _: &[f64]) -> Result<f64, crate::model::EvaluationError> {
                Err(crate::model::EvaluationError::NotFinite)
            }
            fn log_density_and_score(&self, _: &[f64], _: &mut [f64]) -> Result<f64, crate::model::EvaluationError> {
                Err(crate::model::EvaluationError::NotFinite)
            }
        }
        let begun = Exploration::begin(&Nothing, &DenseGaussian::standard(1), vec![false], stream(1, 1), None);
        assert_eq!(begun.err(), Some(ExplorationError::Rejected));
    }
}
