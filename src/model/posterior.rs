//! What a fit needs of a posterior beyond its density: names, and the way from the unconstrained to the constrained
//! scale.

use super::{EvaluationError, Target};

/// A posterior with named quantities: a [`Target`] on the unconstrained scale R^D, and what its points mean.
///
/// The quantities come in Stan's order: parameters, then transformed parameters, then generated quantities. A density
/// without constraints becomes a model by [`Unconstrained`](super::Unconstrained).
pub trait Model: Target {
    /// The names of parameters, transformed parameters and generated quantities, in Stan's style (`theta[1]`). No two
    /// are alike.
    fn names(&self) -> &[String];

    /// How many of [`names`](Self::names), from the first, are parameters.
    fn parameter_count(&self) -> usize;

    /// How many of [`names`](Self::names), from the first, are parameters or transformed parameters.
    fn transformed_parameter_count(&self) -> usize {
        self.parameter_count()
    }

    /// Whether the log density has all its constants, as a lower bound of the evidence takes; without them the bound
    /// lacks a constant too. A density is not known to have them.
    fn is_normalized(&self) -> bool {
        false
    }

    /// The names of the D unconstrained parameters, in Stan's style.
    fn unconstrained_names(&self) -> Vec<String>;

    /// The parameters alone at the unconstrained `x` (of length D), written to `out` (of length
    /// [`parameter_count`](Self::parameter_count)).
    fn constrain_parameters(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError>;

    /// Parameters and transformed parameters at the unconstrained `x` (of length D), written to `out` (of length
    /// [`transformed_parameter_count`](Self::transformed_parameter_count)).
    fn constrain_transformed(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.constrain_parameters(x, out)
    }

    /// What computes all quantities, with random numbers of its own for generated ones. Stan's generators have seeds of
    /// 32 bits.
    fn generator(&self, seed: u32) -> Result<Box<dyn Generator + '_>, EvaluationError>;

    /// The unconstrained point (of length D) of parameter values in the order of [`names`](Self::names).
    fn unconstrain(&self, parameters: &[f64]) -> Result<Vec<f64>, EvaluationError>;
}

/// Computes all quantities of a model, generated ones with its own random numbers.
pub trait Generator: Send {
    /// All quantities at the unconstrained `x` (of length D), written to `out` in the order of [`Model::names`].
    fn constrain(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError>;
}

impl<M: Model + ?Sized> Model for &M {
    fn names(&self) -> &[String] {
        (**self).names()
    }

    fn parameter_count(&self) -> usize {
        (**self).parameter_count()
    }

    fn transformed_parameter_count(&self) -> usize {
        (**self).transformed_parameter_count()
    }

    fn is_normalized(&self) -> bool {
        (**self).is_normalized()
    }

    fn unconstrained_names(&self) -> Vec<String> {
        (**self).unconstrained_names()
    }

    fn constrain_parameters(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        (**self).constrain_parameters(x, out)
    }

    fn constrain_transformed(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        (**self).constrain_transformed(x, out)
    }

    fn generator(&self, seed: u32) -> Result<Box<dyn Generator + '_>, EvaluationError> {
        (**self).generator(seed)
    }

    fn unconstrain(&self, parameters: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        (**self).unconstrain(parameters)
    }
}
