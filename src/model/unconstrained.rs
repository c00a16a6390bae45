//! A model from a target whose coordinates are its parameters.

use super::{EvaluationError, Generator, Model, Target};

/// A target as a [`Model`] without constraints: its parameters are the coordinates `x[1]` to `x[D]`, or those of other
/// names, and there are no other quantities.
///
/// ```
/// use stanmatch::model::{Density, Model, Unconstrained};
///
/// let normal = || Density::new(2, |x: &[f64], score: &mut [f64]| {
///     score.iter_mut().zip(x).for_each(|(score, x)| *score = -x);
///     -0.5 * x.iter().map(|x| x * x).sum::<f64>()
/// });
/// assert_eq!(Unconstrained::new(normal()).names(), ["x[1]", "x[2]"]);
///
/// let names = ["intercept", "slope"].map(str::to_owned).to_vec();
/// let model = Unconstrained::with_names(normal(), names).ok_or("a name for each coordinate")?;
/// assert_eq!(model.names(), ["intercept", "slope"]);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug)]
pub struct Unconstrained<T> {
    target: T,
    names: Vec<String>,
}

impl<T: Target> Unconstrained<T> {
    /// The coordinates of `target` as the parameters `x[1]` to `x[D]`.
    pub fn new(target: T) -> Self {
        let names = (1..=target.dim()).map(|index| format!("x[{index}]")).collect();
        Self { target, names }
    }

    /// The coordinates of `target` as parameters with these names, of which no two may be alike; none where there are
    /// not as many as coordinates or two are alike.
    pub fn with_names(target: T, names: Vec<String>) -> Option<Self> {
        let distinct: std::collections::HashSet<&String> = names.iter().collect();
        (names.len() == target.dim() && distinct.len() == names.len()).then_some(Self { target, names })
    }

    /// The target.
    pub fn target(&self) -> &T {
        &self.target
    }
}

impl<T: Target> Target for Unconstrained<T> {
    fn dim(&self) -> usize {
        self.target.dim()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.target.log_density(x)
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        self.target.log_density_and_score(x, score)
    }

    fn gradients_per_product(&self) -> u64 {
        self.target.gradients_per_product()
    }

    fn hessian_vector(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.target.hessian_vector(x, v, out)
    }
}

impl<T: Target> Model for Unconstrained<T> {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn parameter_count(&self) -> usize {
        self.names.len()
    }

    fn unconstrained_names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn constrain_parameters(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        out.copy_from_slice(x);
        Ok(())
    }

    fn generator(&self, _seed: u32) -> Result<Box<dyn Generator + '_>, EvaluationError> {
        Ok(Box::new(Identity))
    }

    fn unconstrain(&self, parameters: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        Ok(parameters.to_vec())
    }
}

/// All quantities of a model without constraints are its coordinates.
struct Identity;

impl Generator for Identity {
    fn constrain(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        out.copy_from_slice(x);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Banana;

    #[test]
    fn the_coordinates_are_the_parameters() {
        let model = Unconstrained::new(Banana);
        assert_eq!((model.names(), model.parameter_count()), (&["x[1]".into(), "x[2]".into()][..], 2));
        let mut out = [0.0; 2];
        model.generator(1).unwrap().constrain(&[0.5, -3.0], &mut out).unwrap();
        assert_eq!((out, model.unconstrain(&out).unwrap()), ([0.5, -3.0], vec![0.5, -3.0]));
        assert_eq!(model.log_density(&out), Banana.log_density(&[0.5, -3.0]));
    }

    #[test]
    fn names_are_as_many_as_coordinates_and_differ() {
        let named = |names: &[&str]| Unconstrained::with_names(Banana, names.iter().map(|n| (*n).into()).collect());
        assert_eq!(named(&["a", "b"]).unwrap().names(), ["a", "b"]);
        assert!(named(&["a"]).is_none() && named(&["a", "a"]).is_none());
    }
}
