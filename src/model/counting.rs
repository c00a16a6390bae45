//! Counts what a target is asked for, so that every phase of a fit can say what it cost, and keeps what it said where it
//! gave no density.

use super::rejections::Recorder;
use super::{EvaluationError, Rejections, Target};
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often a target was evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Evaluations of the log density together with its score, those of Hessian-vector products by differences
    /// included.
    pub gradient_evaluations: u64,
    /// Evaluations of the log density alone.
    pub density_evaluations: u64,
    /// Hessian-vector products.
    pub hessian_vector_products: u64,
}

impl Add for Counts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            gradient_evaluations: self.gradient_evaluations + other.gradient_evaluations,
            density_evaluations: self.density_evaluations + other.density_evaluations,
            hessian_vector_products: self.hessian_vector_products + other.hessian_vector_products,
        }
    }
}

impl Sub for Counts {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            gradient_evaluations: self.gradient_evaluations - earlier.gradient_evaluations,
            density_evaluations: self.density_evaluations - earlier.density_evaluations,
            hessian_vector_products: self.hessian_vector_products - earlier.hessian_vector_products,
        }
    }
}

/// A target that counts its evaluations, rejected ones included, and records why they were rejected.
#[derive(Debug)]
pub struct CountingTarget<T> {
    inner: T,
    gradients: AtomicU64,
    densities: AtomicU64,
    products: AtomicU64,
    recorder: Recorder,
}

impl<T: Target> CountingTarget<T> {
    /// Counts the evaluations of `inner` from now on.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            gradients: AtomicU64::new(0),
            densities: AtomicU64::new(0),
            products: AtomicU64::new(0),
            recorder: Recorder::default(),
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        Counts {
            gradient_evaluations: self.gradients.load(Relaxed),
            density_evaluations: self.densities.load(Relaxed),
            hessian_vector_products: self.products.load(Relaxed),
        }
    }

    /// The evaluations rejected so far, with what the program said.
    pub fn rejections(&self) -> Rejections {
        self.recorder.rejections()
    }

    /// What the program said where an evaluation showed that it is wrong ([`EvaluationError::Defect`]); none where none
    /// did.
    pub fn defect(&self) -> Option<String> {
        self.recorder.defect()
    }

    /// The result, recorded where it is an error.
    fn recorded<R>(&self, result: Result<R, EvaluationError>) -> Result<R, EvaluationError> {
        result.inspect_err(|error| self.recorder.record(error))
    }

    /// The target that is counted.
    pub fn inner(&self) -> &T {
        &self.inner
    }
}

impl<T: Target> Target for CountingTarget<T> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.densities.fetch_add(1, Relaxed);
        self.recorded(self.inner.log_density(x))
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        self.gradients.fetch_add(1, Relaxed);
        self.recorded(self.inner.log_density_and_score(x, score))
    }

    fn log_densities_and_scores(
        &self,
        points: ArrayView2<'_, f64>,
        scores: ArrayViewMut2<'_, f64>,
        log_densities: &mut [f64],
        rejected: &mut dyn FnMut(EvaluationError),
    ) {
        let evaluated = log_densities.iter().filter(|value| **value > f64::NEG_INFINITY).count();
        self.gradients.fetch_add(evaluated as u64, Relaxed);
        self.inner.log_densities_and_scores(points, scores, log_densities, &mut |error| {
            self.recorder.record(&error);
            rejected(error);
        });
    }

    fn gradients_per_product(&self) -> u64 {
        self.inner.gradients_per_product()
    }

    fn hessian_vector(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.products.fetch_add(1, Relaxed);
        self.gradients.fetch_add(self.gradients_per_product(), Relaxed);
        self.recorded(self.inner.hessian_vector(x, v, out))
    }
}

impl<T: Target + ?Sized> Target for &T {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        (**self).log_density(x)
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        (**self).log_density_and_score(x, score)
    }

    fn log_densities_and_scores(
        &self,
        points: ArrayView2<'_, f64>,
        scores: ArrayViewMut2<'_, f64>,
        log_densities: &mut [f64],
        rejected: &mut dyn FnMut(EvaluationError),
    ) {
        (**self).log_densities_and_scores(points, scores, log_densities, rejected);
    }

    fn gradients_per_product(&self) -> u64 {
        (**self).gradients_per_product()
    }

    fn hessian_vector(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        (**self).hessian_vector(x, v, out)
    }
}
