//! The state of a run, and its result.

use super::{DriverOptions, StopReason};
use crate::engine::convergence::ConvergenceTest;
use crate::engine::learning_rate::Adaptation;
use crate::engine::rollback::Rollback;
use crate::engine::trace::TraceRow;
use crate::gaussian::{Average, GaussianApproximation};
use crate::random::Rng;
use serde::{Deserialize, Serialize};

/// The result of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome<F> {
    /// The approximation: the average of the iterates that show convergence, or the last iterate
    /// without convergence.
    pub approximation: F,
    /// Why the run stopped.
    pub stop_reason: StopReason,
    /// Whether the score divergence has stopped falling, or vanished, however the run ended.
    pub converged: bool,
    /// The score divergence per dimension at the end: the median over a window, or the last one if
    /// it vanished.
    pub score_divergence: f64,
    /// The number of iterations.
    pub iterations: usize,
    /// The number of draws that the target rejected.
    pub rejected: usize,
    /// How often the approximation diverged and was rolled back.
    pub rollbacks: usize,
}

impl<F> Outcome<F> {
    /// The same with another type of approximation.
    pub fn map<G>(self, map: impl FnOnce(F) -> G) -> Outcome<G> {
        let Self { approximation, stop_reason, converged, score_divergence, iterations, rejected, rollbacks } = self;
        let approximation = map(approximation);
        Outcome { approximation, stop_reason, converged, score_divergence, iterations, rejected, rollbacks }
    }
}

/// How far a run has come: all of its state beside its engine, its options and its target.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct RunProgress<F: GaussianApproximation> {
    pub(super) rng: Rng,
    pub(super) convergence: ConvergenceTest,
    pub(super) adaptation: Adaptation,
    /// The learning rate that the run began with, if it was given.
    pub(super) initial_rate: Option<f64>,
    /// The average of the last iterates, if they may be those that show convergence.
    pub(super) average: Option<F::Average>,
    /// Iterations since the average began.
    pub(super) averaged: usize,
    pub(super) converged: bool,
    pub(super) iterations: usize,
    pub(super) rejected_draws: usize,
    /// Batches in a row without enough usable draws.
    pub(super) rejected_batches: usize,
    /// Steps in a row that failed.
    pub(super) failed_steps: usize,
    pub(super) rollback: Rollback<F>,
    pub(super) gradient_evaluations: u64,
}

impl<F: GaussianApproximation> RunProgress<F> {
    /// The state at the beginning, with the random numbers that are to come, after `spent` gradient
    /// evaluations.
    pub fn new(rng: Rng, spent: u64) -> Self {
        Self {
            rng,
            convergence: ConvergenceTest::default(),
            adaptation: Adaptation::default(),
            initial_rate: None,
            average: None,
            averaged: 0,
            converged: false,
            iterations: 0,
            rejected_draws: 0,
            rejected_batches: 0,
            failed_steps: 0,
            rollback: Rollback::default(),
            gradient_evaluations: spent,
        }
    }

    /// Iterations so far.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Whether it is the state of a run of an approximation of this size; one read from a file may
    /// not be.
    pub(in crate::engine) fn fits(&self, approximation: &F) -> bool {
        self.average.as_ref().is_none_or(|average| average.fits(approximation)) && self.rollback.fits(approximation)
    }

    /// Whether the run has converged and averaged enough.
    pub(super) fn is_complete(&self, options: &DriverOptions) -> bool {
        self.converged && self.averaged >= options.averaging
    }

    /// The approximation to roll back to, if there is one. Convergence must then be shown anew.
    pub(super) fn roll_back(&mut self) -> Option<F> {
        let stable = self.rollback.roll_back()?;
        self.convergence.restart();
        (self.average, self.averaged, self.converged) = (None, 0, false);
        Some(stable)
    }

    /// Tests for convergence, and begins an average as soon as `averaging` more iterations would
    /// show it. An average from before the last improvement is discarded.
    pub(super) fn test_convergence(&mut self, row: &TraceRow, settled: bool, window: usize, averaging: usize) {
        if self.converged {
            return;
        }
        self.converged = self.convergence.update(row.score_divergence, row.elbo, settled, window);
        if self.convergence.without_improvement() == 0 {
            (self.average, self.averaged) = (None, 0);
        } else if self.average.is_none() && self.convergence.remaining(window) < averaging {
            self.average = Some(Default::default());
        }
    }

    /// Counts an iterate in, every `stride` iterations, if an average has begun.
    pub(super) fn average(&mut self, approximation: &F, stride: usize) {
        if let Some(average) = &mut self.average {
            if self.averaged.is_multiple_of(stride) {
                average.add(approximation);
            }
            self.averaged += 1;
        }
    }
}
