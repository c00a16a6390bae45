//! A step of batch and match in the span of the batch's noise and whitened scores, if that is
//! smaller than the whole space: O(D²B + B³), none of it cubic in D, and nearly all of it products
//! of matrices.

use super::moment_factors::MatchTerms;
use super::orthogonalise::{Rotation, contraction};
use crate::engine::{Batch, UpdateFailed};
use crate::gaussian::{Change, DenseGaussian, GaussianApproximation};
use crate::linalg::{eigen, multiply_add};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

/// Dimension from which an eigenproblem is worth handing to another thread: it takes 0.3 ms.
const WORTH_SHARING: usize = 64;

/// The closed form of a step in coordinates in which q is the standard normal, with its workspace.
///
/// With rows Z and Q such that ZᵀZ = V − I and QᵀQ = U, V = W² where W = I + Zᵀ C Z, C = (I + (I +
/// G)^½)⁻¹ and G = ZZᵀ, since C + C + C G C = I. X = QW = Q + S C Z with S = QZᵀ has X Xᵀ = QQᵀ +
/// SSᵀ, with eigenvalues s² and eigenvectors in the rows of E. With Y = EX, whose rows are
/// orthogonal and have lengths s, and m = ½ + √(s² + ¼) the new factor is
///
/// ```text
/// N = W (I − Yᵀ K Y) = I + Zᵀ C Z − (Yᵀ + Zᵀ C T) K Y,     T = ZYᵀ,     K = diag((1 − m^(−½)) / s²).
/// ```
///
/// No basis of the span is made: the rows may depend on each other, as they do if q is nearly right
/// and h nearly −ε.
#[derive(Debug, Clone, Default)]
pub struct LowRankUpdate {
    /// Q, B × D.
    scores: Array2<f64>,
    /// Z above Y, 2B × D.
    directions: Array2<f64>,
    /// F v for these rows v, 2B × D.
    images: Array2<f64>,
    /// Rows such that F N is F and the sum of their products with the directions, 2B × D.
    changes: Array2<f64>,
    /// C, B × B.
    root: Array2<f64>,
    /// T, B × B.
    overlap: Array2<f64>,
}

impl LowRankUpdate {
    /// Moves `gaussian` by a batch drawn from it with fewer than D/2 draws. On an error it is as
    /// before.
    pub fn step(
        &mut self,
        gaussian: &mut DenseGaussian,
        batch: &Batch,
        terms: &MatchTerms,
    ) -> Result<(), UpdateFailed> {
        let (size, dim) = batch.noise().dim();
        let (upper, lower) = (s![..size, ..], s![size.., ..]);
        if self.scores.dim() != (size, dim) {
            let table = |rows, columns| Array2::zeros((rows, columns));
            (self.scores, self.directions) = (table(size, dim), table(2 * size, dim));
            (self.images, self.changes) = (table(2 * size, dim), table(2 * size, dim));
            (self.root, self.overlap) = (table(size, size), table(size, size));
        }
        terms.root(batch.noise(), None, self.directions.slice_mut(upper));
        terms.root(batch.whitened_scores(), None, self.scores.view_mut());
        let (log_det_of_root, rotation) = self.decompose()?;
        let m = rotation.m();
        let log_det = log_det_of_root - 0.5 * m.iter().map(|m| m.ln()).sum::<f64>();

        let (noise, rotated) = self.directions.view().split_at(Axis(0), size);
        multiply_add(noise, rotated.t(), 0.0, self.overlap.view_mut());
        // F Z comes with the draws.
        terms.root(batch.draws(), Some(gaussian.mean()), self.images.slice_mut(upper));
        gaussian.multiply(rotated, self.images.slice_mut(lower));

        // The new mean: λ/(1+λ) (ε̄ + N Nᵀ h̄), where N Nᵀ Qᵀ η = (Yᵀ + Zᵀ C T) diag(1/m) E η.
        let of_scores = &rotation.vectors.column(0) * terms.mean_of_root() / &m;
        let mut coefficients = Array1::zeros(2 * size);
        coefficients.slice_mut(s![..size]).assign(&self.root.dot(&self.overlap.dot(&of_scores)));
        coefficients.slice_mut(s![size..]).assign(&of_scores);
        coefficients[0] += terms.mean_of_root();
        let mean = (coefficients * terms.pull).dot(&self.images);

        let (mut of_noise, mut of_rotated) = self.changes.view_mut().split_at(Axis(0), size);
        multiply_add(self.root.view(), self.images.slice(upper), 0.0, of_noise.view_mut());
        of_rotated.assign(&self.images.slice(lower));
        multiply_add(self.overlap.t(), of_noise.view(), 1.0, of_rotated.view_mut());
        of_rotated.rows_mut().into_iter().zip(&m).for_each(|(mut row, &m)| row *= -contraction(m));
        let change =
            Change { mean: mean.view(), images: self.changes.view(), directions: self.directions.view(), log_det };
        if !change.is_finite() {
            return Err(UpdateFailed);
        }
        gaussian.add(&change);
        Ok(())
    }

    /// Computes C and Y, and returns log |det W| with the rotation that leads to Y.
    fn decompose(&mut self) -> Result<(f64, Rotation), UpdateFailed> {
        let scores = self.scores.view();
        let (noise, mut rotated) = self.directions.view_mut().split_at(Axis(0), scores.nrows());
        let mut gram = products(noise.view(), noise.view());
        let cross = products(scores, noise.view());
        let mut vectors = products(scores, scores);
        general_mat_mul(1.0, &cross, &cross.t(), 1.0, &mut vectors);
        let (of_noise, of_x) = if scores.nrows() < WORTH_SHARING {
            (eigen(&mut gram), eigen(&mut vectors))
        } else {
            rayon::join(|| eigen(&mut gram), || eigen(&mut vectors))
        };
        let squares = of_noise.ok_or(UpdateFailed)?.mapv(|square| square.max(0.0));
        let log_det = 0.5 * squares.iter().map(|square| square.ln_1p()).sum::<f64>();
        let weights = squares.mapv(|square| (1.0 + (1.0 + square).sqrt()).recip());
        general_mat_mul(1.0, &(&gram.t() * &weights), &gram, 0.0, &mut self.root);

        let cross_root = cross.dot(&self.root);
        multiply_add(vectors.view(), scores, 0.0, rotated.view_mut());
        multiply_add(vectors.dot(&cross_root).view(), noise.view(), 1.0, rotated.view_mut());
        if let Some(rotation) = Rotation::by_eigenvectors(vectors, &of_x.ok_or(UpdateFailed)?, rotated.view_mut()) {
            return Ok((log_det, rotation));
        }
        let mut x = scores.to_owned();
        multiply_add(cross_root.view(), noise.view(), 1.0, x.view_mut());
        Ok((log_det, Rotation::by_singular_values(&x, rotated)?))
    }
}

/// The products of each row of `a` with each row of `b`.
fn products(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut products = Array2::zeros((a.nrows(), b.nrows()));
    multiply_add(a, b.t(), 0.0, products.view_mut());
    products
}
