//! A batch: draws from the approximation with the target's log densities and scores at them.

use crate::gaussian::GaussianApproximation;
use crate::model::Target;
use crate::random::{Rng, fill_standard_normal};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Draws of q with noise ε (z = μ + F ε), the target's scores g at them and the whitened scores h =
/// Fᵀ g. A draw that the target rejects is left out: all views hold the *usable* draws only.
pub struct Batch {
    noise: Array2<f64>,
    draws: Array2<f64>,
    scores: Array2<f64>,
    whitened_scores: Array2<f64>,
    log_densities: Array1<f64>,
    usable: usize,
}

impl Batch {
    /// An empty batch with space for `size` draws of dimension `dim`.
    pub fn new(size: usize, dim: usize) -> Self {
        let table = || Array2::zeros((size, dim));
        Self {
            noise: table(),
            draws: table(),
            scores: table(),
            whitened_scores: table(),
            log_densities: Array1::zeros(size),
            usable: 0,
        }
    }

    /// How many draws a batch has, usable or not.
    pub fn size(&self) -> usize {
        self.noise.nrows()
    }

    /// How many draws the target did not reject.
    pub fn usable(&self) -> usize {
        self.usable
    }

    /// Draws a new batch from `gaussian` and evaluates `target` at the draws, on rayon's threads if
    /// `parallel`. The result depends on `rng` alone, not on the threads.
    ///
    /// # Panics
    /// If `gaussian` or `target` is not of the batch's dimension.
    pub fn draw(&mut self, gaussian: &impl GaussianApproximation, target: &dyn Target, rng: &mut Rng, parallel: bool) {
        fill_standard_normal(rng, self.noise.as_slice_mut().expect("our own tables are contiguous"));
        gaussian.draws(self.noise.view(), self.draws.view_mut());
        let evaluate = |draw: ArrayView1<f64>, mut score: ndarray::ArrayViewMut1<f64>, log_density: &mut f64| {
            let score = score.as_slice_mut().expect("rows are contiguous");
            let draw = draw.as_slice().expect("rows are contiguous");
            *log_density = target.log_density_and_score(draw, score).unwrap_or(f64::NAN);
        };
        if parallel {
            self.draws
                .axis_iter(Axis(0))
                .into_par_iter()
                .zip(self.scores.axis_iter_mut(Axis(0)))
                .zip(self.log_densities.as_slice_mut().expect("contiguous"))
                .for_each(|((draw, score), log_density)| evaluate(draw, score, log_density));
        } else {
            for ((draw, score), log_density) in
                self.draws.rows().into_iter().zip(self.scores.rows_mut()).zip(&mut self.log_densities)
            {
                evaluate(draw, score, log_density);
            }
        }
        self.keep_usable();
        gaussian.multiply_transposed(
            self.scores.slice(s![..self.usable, ..]),
            self.whitened_scores.slice_mut(s![..self.usable, ..]),
        );
    }

    /// The same draws as those of another Gaussian, with their noise in its coordinates.
    #[cfg(test)]
    pub fn seen_by(&self, gaussian: &impl GaussianApproximation, noise: Array2<f64>) -> Self {
        let mut whitened_scores = Array2::zeros(noise.dim());
        gaussian.multiply_transposed(self.scores(), whitened_scores.view_mut());
        let (draws, scores) = (self.draws().to_owned(), self.scores().to_owned());
        let log_densities = self.log_densities().to_owned();
        Self { noise, draws, scores, whitened_scores, log_densities, usable: self.usable }
    }

    /// Moves the rows of draws that were not rejected to the front.
    fn keep_usable(&mut self) {
        self.usable = 0;
        for row in 0..self.size() {
            if self.log_densities[row].is_nan() {
                continue;
            }
            if row != self.usable {
                for table in [&mut self.noise, &mut self.draws, &mut self.scores] {
                    let (mut kept, source) = table.multi_slice_mut((s![self.usable, ..], s![row, ..]));
                    kept.assign(&source);
                }
                self.log_densities[self.usable] = self.log_densities[row];
            }
            self.usable += 1;
        }
    }

    /// ε, usable × D.
    pub fn noise(&self) -> ArrayView2<'_, f64> {
        self.noise.slice(s![..self.usable, ..])
    }

    /// z, usable × D.
    pub fn draws(&self) -> ArrayView2<'_, f64> {
        self.draws.slice(s![..self.usable, ..])
    }

    /// g, usable × D.
    pub fn scores(&self) -> ArrayView2<'_, f64> {
        self.scores.slice(s![..self.usable, ..])
    }

    /// h = Fᵀ g, usable × D.
    pub fn whitened_scores(&self) -> ArrayView2<'_, f64> {
        self.whitened_scores.slice(s![..self.usable, ..])
    }

    /// log p(z), up to the target's constant.
    pub fn log_densities(&self) -> ArrayView1<'_, f64> {
        self.log_densities.slice(s![..self.usable])
    }

    /// The score divergence per dimension between q and p, E ‖Fᵀ(∇log p − ∇log q)‖² / D, estimated
    /// by the mean of ‖h + ε‖² / D: zero exactly when the scores agree at every draw.
    pub fn score_divergence(&self) -> f64 {
        let total: f64 = self.whitened_scores().iter().zip(self.noise()).map(|(h, e)| (h + e).powi(2)).sum();
        total / (self.usable * self.noise.ncols()) as f64
    }

    /// The evidence lower bound E[log p − log q] of q = `gaussian`, which the batch was drawn from,
    /// estimated by the batch's mean.
    pub fn elbo(&self, gaussian: &impl GaussianApproximation) -> f64 {
        let noise = self.noise();
        let log_q = |row: usize| gaussian.log_density_of_noise(noise.row(row).dot(&noise.row(row)));
        let total: f64 = self.log_densities().iter().enumerate().map(|(row, log_p)| log_p - log_q(row)).sum();
        total / self.usable as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;
    use crate::model::{EvaluationError, Gaussian};
    use crate::random::stream;

    /// Rejects points with a negative first element.
    struct HalfSpace(Gaussian);
    impl Target for HalfSpace {
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            if x[0] < 0.0 { Err(EvaluationError::NotFinite) } else { self.0.log_density(x) }
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            if x[0] < 0.0 { Err(EvaluationError::NotFinite) } else { self.0.log_density_and_score(x, score) }
        }
    }

    #[test]
    fn rejected_draws_are_left_out_and_rows_stay_together() {
        let target = HalfSpace(Gaussian::with_condition_number(3, 10.0, &mut stream(1, 0)));
        let gaussian = DenseGaussian::standard(3);
        let mut batch = Batch::new(40, 3);
        batch.draw(&gaussian, &target, &mut stream(5, 0), false);
        assert!((5..35).contains(&batch.usable()), "{}", batch.usable());
        for row in 0..batch.usable() {
            let draw = batch.draws().row(row).to_vec();
            assert!(draw[0] >= 0.0);
            assert_eq!(batch.noise().row(row).to_vec(), draw, "the standard normal's draws are their own noise");
            let mut score = vec![0.0; 3];
            let value = target.log_density_and_score(&draw, &mut score).unwrap();
            assert_eq!(batch.scores().row(row).to_vec(), score);
            assert_eq!(batch.log_densities()[row], value);
        }
    }

    #[test]
    fn threads_change_nothing() {
        let target = Gaussian::with_condition_number(4, 10.0, &mut stream(1, 0));
        let gaussian = DenseGaussian::standard(4);
        let (mut one, mut many) = (Batch::new(9, 4), Batch::new(9, 4));
        one.draw(&gaussian, &target, &mut stream(5, 0), false);
        many.draw(&gaussian, &target, &mut stream(5, 0), true);
        assert_eq!(one.whitened_scores(), many.whitened_scores());
        assert_eq!(one.log_densities(), many.log_densities());
    }

    #[test]
    fn the_target_itself_has_no_score_divergence_and_the_right_elbo() {
        let target = Gaussian::with_condition_number(6, 1e4, &mut stream(1, 0));
        let gaussian = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
        let mut batch = Batch::new(8, 6);
        batch.draw(&gaussian, &target, &mut stream(5, 0), false);
        assert!(batch.score_divergence() < 1e-16, "{}", batch.score_divergence());
        assert!(batch.elbo(&gaussian).abs() < 1e-9);
    }
}
