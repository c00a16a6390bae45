//! Is a score the gradient of its log density? Compared with central differences.

use super::{EvaluationError, Target};

/// The element of a score that agrees worst with finite differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientCheck {
    /// Its index.
    pub element: usize,
    /// What the target says.
    pub score: f64,
    /// What central differences of the log density say.
    pub difference: f64,
    /// Their distance over the accuracy that differences have: above 1 they disagree.
    pub error: f64,
}

/// Compares the score at `x` with fourth-order central differences of the log density and returns the worst element,
/// none if D = 0. Differences are trusted to within the change between two step sizes, and never beyond 10⁻⁵ of the
/// score's size.
pub fn check_gradient<T: Target + ?Sized>(target: &T, x: &[f64]) -> Result<Option<GradientCheck>, EvaluationError> {
    let mut score = vec![0.0; x.len()];
    target.log_density_and_score(x, &mut score)?;
    let largest = score.iter().fold(1.0_f64, |m, s| m.max(s.abs()));
    let mut point = x.to_vec();
    let mut worst: Option<GradientCheck> = None;
    for element in 0..x.len() {
        let mut difference = |step: f64| -> Result<f64, EvaluationError> {
            let mut at = |offset: f64| {
                point[element] = x[element] + offset * step;
                target.log_density(&point)
            };
            let slope = (8.0 * (at(1.0)? - at(-1.0)?) - (at(2.0)? - at(-2.0)?)) / (12.0 * step);
            point[element] = x[element];
            Ok(slope)
        };
        let step = 1e-3 * x[element].abs().max(1.0);
        let (coarse, fine) = (difference(step)?, difference(step / 4.0)?);
        let accuracy = (coarse - fine).abs() + 1e-5 * (score[element].abs() + 1e-3 * largest);
        let error = (score[element] - fine).abs() / accuracy;
        // An error that is no number is the worst.
        if worst.is_none_or(|w| error > w.error || (error.is_nan() && !w.error.is_nan())) {
            worst = Some(GradientCheck { element, score: score[element], difference: fine, error });
        }
    }
    Ok(worst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Banana;

    struct Wrong;
    impl Target for Wrong {
        fn dim(&self) -> usize {
            2
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            Banana.log_density(x)
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            let value = Banana.log_density_and_score(x, score)?;
            score[1] *= 1.001;
            Ok(value)
        }
    }

    #[test]
    fn an_error_that_is_no_number_is_the_worst() {
        struct Undefined;
        impl Target for Undefined {
            fn dim(&self) -> usize {
                3
            }
            fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
                Ok(-x[0] * x[0])
            }
            fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
                score.copy_from_slice(&[-2.0 * x[0], f64::NAN, 1.0]);
                self.log_density(x)
            }
        }
        let worst = check_gradient(&Undefined, &[0.5, 0.5, 0.5]).unwrap().unwrap();
        assert!(worst.element == 1 && worst.error.is_nan(), "{worst:?}");
    }

    #[test]
    fn a_score_wrong_by_a_thousandth_is_found() {
        let worst = check_gradient(&Wrong, &[0.3, -2.0]).unwrap().unwrap();
        assert_eq!(worst.element, 1);
        assert!(worst.error > 1.0, "{worst:?}");
        assert!(check_gradient(&Banana, &[0.3, -2.0]).unwrap().unwrap().error < 1.0);
    }
}
