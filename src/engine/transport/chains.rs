//! A few chains of Hamiltonian Monte Carlo in the coordinates u of a map x = T(u), every point of their
//! trajectories kept.

use super::CHAINS;
use super::archive::Archive;
use crate::linalg::array_serde;
use crate::model::Target;
use crate::random::{Rng, fill_standard_normal};
use crate::transport::{TriangularMap, Workspace};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// The step size to begin with.
const FIRST_STEP: f64 = 0.3;
/// The largest and the smallest.
const LARGEST_STEP: f64 = 1.6;
const SMALLEST_STEP: f64 = 1e-3;
/// How fast the logarithm of the step size follows the acceptance.
const ADAPTATION: f64 = 0.6;
/// The mean acceptance probability that is aimed at.
const ACCEPTANCE: f64 = 0.8;
/// A trajectory's length in quarters of a standard normal's period.
const LENGTHS: std::ops::Range<f64> = 0.5..1.3;
/// The jitter of each chain's step size.
const JITTER: std::ops::Range<f64> = 0.85..1.1;
/// Leapfrog steps of a trajectory at most.
const MOST_STEPS: usize = 40;
/// A trajectory has diverged where a coordinate u is larger than this: no standard normal is.
const FARTHEST: f64 = 40.0;
/// Or where its energy is off by this, Stan's bound.
const DIVERGENT: f64 = 1000.0;
/// How often the start of a chain is drawn before there is none, as often as Stan tries.
const ATTEMPTS: usize = 100;

/// Chains, with the buffers of their trajectories.
pub(super) struct Chains {
    now: Points,
    ahead: Points,
    /// Chains × D.
    momenta: Array2<f64>,
    step: f64,
    workspace: Workspace,
    evaluations: u64,
}

/// Where chains are.
#[derive(Clone)]
struct Points {
    /// Chains × D.
    x: Array2<f64>,
    /// The target's scores there.
    scores: Array2<f64>,
    /// The target's log densities there.
    log_densities: Vec<f64>,
    /// In the map's coordinates.
    u: Array2<f64>,
    /// The scores in them.
    pulled: Array2<f64>,
    /// The log densities in them.
    pulled_densities: Vec<f64>,
}

/// What a transition of all chains was like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Transition {
    /// The mean acceptance probability.
    pub acceptance: f64,
    /// How many trajectories diverged, or came to a point that the target rejects.
    pub divergences: usize,
}

impl Chains {
    /// `count` chains at draws of `map`; none where the target rejects nearly all draws, or so many that
    /// new ones would take more than `budget` evaluations.
    pub fn new<T: Target + ?Sized>(
        target: &T,
        map: &TriangularMap,
        (count, budget): (usize, Option<u64>),
        archive: &mut Archive,
        rng: &mut Rng,
    ) -> Option<Self> {
        let mut chains = Self::at(Points::zeros(count, map.dim()), FIRST_STEP, 0);
        let mut wanted = vec![true; count];
        for _ in 0..ATTEMPTS {
            if budget.is_some_and(|budget| chains.evaluations + count as u64 > budget) {
                break;
            }
            for (mut u, _) in chains.ahead.u.rows_mut().into_iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
                fill_standard_normal(rng, u.as_slice_mut().expect("rows are contiguous"));
            }
            let mut usable = wanted.clone();
            chains.evaluate(target, map, &mut usable, archive);
            for chain in (0..count).filter(|&chain| usable[chain]) {
                chains.now.take(&chains.ahead, chain);
                wanted[chain] = false;
            }
            if !wanted.contains(&true) {
                return Some(chains);
            }
        }
        None
    }

    fn at(now: Points, step: f64, evaluations: u64) -> Self {
        let (ahead, momenta) = (now.clone(), Array2::zeros(now.x.dim()));
        Self { now, ahead, momenta, step, workspace: Workspace::default(), evaluations }
    }

    /// What has to be kept to continue with [`restored`](Self::restored).
    pub fn saved(&self) -> SavedChains {
        let Points { x, scores, log_densities, .. } = &self.now;
        let (step, evaluations) = (self.step, self.evaluations);
        let log_densities = log_densities.clone().into();
        SavedChains { x: x.clone(), scores: scores.clone(), log_densities, step, evaluations }
    }

    /// Chains that were saved, in the coordinates of `map`; none where the parts do not fit.
    pub fn restored(saved: SavedChains, map: &TriangularMap) -> Option<Self> {
        let SavedChains { x, scores, log_densities, step, evaluations } = saved;
        let size = (log_densities.len(), map.dim());
        if size.0 != CHAINS
            || x.dim() != size
            || scores.dim() != size
            || !(SMALLEST_STEP..=LARGEST_STEP).contains(&step)
        {
            return None;
        }
        let now = Points { x, scores, log_densities: log_densities.to_vec(), ..Points::zeros(size.0, size.1) };
        let mut chains = Self::at(now, step, evaluations);
        chains.set_map(map);
        Some(chains)
    }

    /// Recomputes the chains' coordinates under another map.
    pub fn set_map(&mut self, map: &TriangularMap) {
        let Self { now, workspace, .. } = self;
        workspace.set_points(map, now.x.view());
        workspace.noise(now.u.view_mut());
        workspace.log_dets(map, &mut now.pulled_densities);
        now.pulled_densities.iter_mut().zip(&now.log_densities).for_each(|(pulled, value)| *pulled += value);
        workspace.pull_back(map, now.scores.view());
        workspace.pulled_scores(now.pulled.view_mut());
    }

    /// One transition of each chain, after which the step size is adapted. No trajectory has more than
    /// `most_steps` steps, at least one. The result does not depend on the number of threads.
    pub fn transition<T: Target + ?Sized>(
        &mut self,
        target: &T,
        map: &TriangularMap,
        most_steps: usize,
        archive: &mut Archive,
        rng: &mut Rng,
    ) -> Transition {
        let count = self.now.x.nrows();
        let length = FRAC_PI_2 * rng.random_range(LENGTHS);
        let steps = ((length / self.step).round() as usize).clamp(1, MOST_STEPS.min(most_steps));
        let step_sizes: Vec<f64> = (0..count).map(|_| self.step * rng.random_range(JITTER)).collect();
        fill_standard_normal(rng, self.momenta.as_slice_mut().expect("our own tables are contiguous"));
        let start: Vec<f64> = (0..count).map(|chain| self.log_joint(&self.now, chain)).collect();
        self.ahead.u.assign(&self.now.u);
        self.ahead.pulled.assign(&self.now.pulled);
        let mut alive = vec![true; count];
        for index in 0..=steps {
            if index > 0 {
                self.drift(&step_sizes, &mut alive);
                self.evaluate(target, map, &mut alive, archive);
            }
            let share = if index == 0 || index == steps { 0.5 } else { 1.0 };
            for chain in (0..count).filter(|&chain| alive[chain]) {
                let gradient = self.ahead.pulled.row(chain);
                self.momenta.row_mut(chain).scaled_add(share * step_sizes[chain], &gradient);
            }
            for chain in (0..count).filter(|_| index > 0) {
                alive[chain] &= self.log_joint(&self.ahead, chain) - start[chain] > -DIVERGENT;
            }
        }
        let mut acceptance = 0.0;
        for chain in 0..count {
            let gain = if alive[chain] { self.log_joint(&self.ahead, chain) - start[chain] } else { f64::NEG_INFINITY };
            acceptance += gain.exp().min(1.0);
            if rng.random_range(0.0..1.0_f64).ln() < gain {
                self.now.take(&self.ahead, chain);
            }
        }
        let acceptance = acceptance / count as f64;
        let step = self.step * (ADAPTATION * (acceptance - ACCEPTANCE)).exp();
        self.step = step.clamp(SMALLEST_STEP, LARGEST_STEP);
        Transition { acceptance, divergences: alive.iter().filter(|alive| !**alive).count() }
    }

    /// How many chains there are.
    pub fn count(&self) -> usize {
        self.momenta.nrows()
    }

    /// Where the chains are, chains × D.
    pub fn points(&self) -> ArrayView2<'_, f64> {
        self.now.x.view()
    }

    /// The target's log densities there.
    pub fn log_densities(&self) -> &[f64] {
        &self.now.log_densities
    }

    /// The step size.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// Gradient evaluations so far.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// The log joint density of a chain's point and momentum.
    fn log_joint(&self, points: &Points, chain: usize) -> f64 {
        let momentum = self.momenta.row(chain);
        points.pulled_densities[chain] - 0.5 * momentum.dot(&momentum)
    }

    /// Moves the points ahead by a step; a chain that leaves the bounds is no longer alive.
    fn drift(&mut self, step_sizes: &[f64], alive: &mut [bool]) {
        for (chain, alive) in alive.iter_mut().enumerate().filter(|(_, alive)| **alive) {
            let mut u = self.ahead.u.row_mut(chain);
            u.scaled_add(step_sizes[chain], &self.momenta.row(chain));
            *alive = u.iter().all(|u| u.abs() < FARTHEST);
        }
    }

    /// Evaluates map and target at the points ahead of the chains that are alive, and keeps the points. A
    /// chain whose point the target rejects is no longer alive.
    fn evaluate<T: Target + ?Sized>(
        &mut self,
        target: &T,
        map: &TriangularMap,
        alive: &mut [bool],
        archive: &mut Archive,
    ) {
        let Self { ahead, workspace, evaluations, .. } = self;
        // Evaluated with the others, at a point that does no harm.
        for (mut u, _) in ahead.u.rows_mut().into_iter().zip(&*alive).filter(|(_, alive)| !**alive) {
            u.fill(0.0);
        }
        workspace.set_noise(map, ahead.u.view());
        workspace.points(map, ahead.x.view_mut());
        workspace.log_dets(map, &mut ahead.pulled_densities);
        *evaluations += alive.iter().filter(|alive| **alive).count() as u64;
        let rows = ahead.x.axis_iter(Axis(0)).into_par_iter().zip(ahead.scores.axis_iter_mut(Axis(0)));
        rows.zip(&mut ahead.log_densities).zip(&mut *alive).for_each(|(((x, mut score), log_density), alive)| {
            let value = if *alive && x.iter().all(|x| x.is_finite()) {
                let (x, score) = (x.to_slice(), score.as_slice_mut());
                let (x, score) = (x.expect("rows are contiguous"), score.expect("rows are contiguous"));
                target.log_density_and_score(x, score).ok()
            } else {
                None
            };
            *alive = value.is_some();
            *log_density = value.unwrap_or(f64::NEG_INFINITY);
            if value.is_none() {
                score.fill(0.0);
            }
        });
        for (chain, _) in alive.iter().enumerate().filter(|(_, alive)| **alive) {
            let (x, score) = (ahead.x.row(chain), ahead.scores.row(chain));
            let (x, score) = (x.to_slice(), score.to_slice());
            let (x, score) = (x.expect("rows are contiguous"), score.expect("rows are contiguous"));
            archive.push(x, score, ahead.log_densities[chain]);
        }
        workspace.pull_back(map, ahead.scores.view());
        workspace.pulled_scores(ahead.pulled.view_mut());
        for (chain, alive) in alive.iter_mut().enumerate() {
            ahead.pulled_densities[chain] += ahead.log_densities[chain];
            *alive &=
                ahead.pulled_densities[chain].is_finite() && ahead.pulled.row(chain).iter().all(|g| g.is_finite());
        }
    }
}

/// Chains on file: what does not follow from the map.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedChains {
    #[serde(with = "array_serde")]
    x: Array2<f64>,
    #[serde(with = "array_serde")]
    scores: Array2<f64>,
    #[serde(with = "array_serde")]
    log_densities: Array1<f64>,
    step: f64,
    evaluations: u64,
}

impl Points {
    fn zeros(count: usize, dim: usize) -> Self {
        let table = || Array2::zeros((count, dim));
        Self {
            x: table(),
            scores: table(),
            log_densities: vec![0.0; count],
            u: table(),
            pulled: table(),
            pulled_densities: vec![0.0; count],
        }
    }

    /// Takes over a chain of `other`.
    fn take(&mut self, other: &Self, chain: usize) {
        self.x.row_mut(chain).assign(&other.x.row(chain));
        self.scores.row_mut(chain).assign(&other.scores.row(chain));
        self.u.row_mut(chain).assign(&other.u.row(chain));
        self.pulled.row_mut(chain).assign(&other.pulled.row(chain));
        self.log_densities[chain] = other.log_densities[chain];
        self.pulled_densities[chain] = other.pulled_densities[chain];
    }
}
