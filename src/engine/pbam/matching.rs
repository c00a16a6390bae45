//! BaM's match step for a low-rank plus diagonal covariance, without a D × D matrix.

use super::implicit_covariance::ImplicitCovariance;
use crate::engine::bam::MatchTerms;
use crate::engine::{Batch, UpdateFailed};
use crate::gaussian::LowRankGaussian;
use crate::linalg::{LeftSvd, cholesky, semidefinite_cholesky};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Zip, s};

/// The match step and its workspace, which depends on the batch's size B and the rank K alone.
///
/// In coordinates in which q is the standard normal, with noise ε and whitened scores h as the rows
/// of N (2B × D): R = ρ ε and Q = ρ h, where ρ maps rows a to √(λ/B) (a_b − ā) and √κ ā with the
/// factors of [`MatchTerms`], V = I + RᵀR, U = QᵀQ, and the new covariance is V − V Qᵀ M⁻² Q V with
/// M = ½I + (Q V Qᵀ + ¼I)^½, from singular values, as their squares may be too far apart for one
/// matrix. All of it is I + Nᵀ X N, and with F = Ψ^½ (I + L A Lᵀ) the covariance in units of Ψ^½ is
/// I + Tᵀ Y T, the rows of T being those of Lᵀ, ε and h.
pub struct MatchStep {
    root: Array2<f64>,
    noise_gram: Array2<f64>,
    cross_gram: Array2<f64>,
    score_gram: Array2<f64>,
    half: Array2<f64>,
    noise_part: Array2<f64>,
    cross_part: Array2<f64>,
    triangle: Array2<f64>,
    /// X, then what the decomposition leaves.
    wide: Array2<f64>,
    svd: LeftSvd,
    images: Array2<f64>,
    weighted: Array2<f64>,
    change: Array2<f64>,
    through: Array2<f64>,
    lifted: Array2<f64>,
    lifted_change: Array2<f64>,
    middle: Array2<f64>,
    shift: Array1<f64>,
    log_det: f64,
}

/// out = a b.
fn product(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, out: &mut Array2<f64>) {
    general_mat_mul(1.0, &a, &b, 0.0, out);
}

impl MatchStep {
    /// For batches of `size` draws and covariances of rank `rank`.
    pub fn new(size: usize, rank: usize) -> Self {
        let zeros = |rows, columns| Array2::<f64>::zeros((rows, columns));
        let (n, m) = (size + 1, rank + 2 * size);
        Self {
            root: zeros(n, size),
            noise_gram: zeros(size, size),
            cross_gram: zeros(size, size),
            score_gram: zeros(size, size),
            half: zeros(n, size),
            noise_part: zeros(n, n),
            cross_part: zeros(n, n),
            triangle: zeros(n, n),
            wide: zeros(n, 2 * n),
            svd: LeftSvd::new(n, 2 * n),
            images: zeros(n, 2 * size),
            weighted: zeros(n, 2 * size),
            change: zeros(2 * size, 2 * size),
            through: zeros(rank, 2 * size),
            lifted: zeros(rank, 2 * size),
            lifted_change: zeros(rank, 2 * size),
            middle: zeros(m, m),
            shift: Array1::zeros(m),
            log_det: 0.0,
        }
    }

    /// Whether this is the workspace for batches of `size` and rank `rank`.
    pub fn fits(&self, size: usize, rank: usize) -> bool {
        self.noise_gram.nrows() == size && self.through.nrows() == rank
    }

    /// Matches `batch`, drawn from `gaussian`, with mean terms of this weight in U and V; the
    /// result is what the other functions return.
    pub fn run(
        &mut self,
        batch: &Batch,
        gaussian: &LowRankGaussian,
        lambda: f64,
        weight: f64,
    ) -> Result<(), UpdateFailed> {
        let (noise, scores) = (batch.noise(), batch.whitened_scores());
        let size = noise.nrows();
        let terms = MatchTerms::new(lambda, weight, size);
        self.fill_root(&terms);
        product(noise, noise.t(), &mut self.noise_gram);
        product(noise, scores.t(), &mut self.cross_gram);
        product(scores, scores.t(), &mut self.score_gram);
        for (gram, part) in [
            (&self.noise_gram, &mut self.noise_part),
            (&self.cross_gram, &mut self.cross_part),
            (&self.score_gram, &mut self.triangle),
        ] {
            product(self.root.view(), gram.view(), &mut self.half);
            product(self.half.view(), self.root.t(), part);
        }
        // Q V Qᵀ = X Xᵀ with X = [C, Q Rᵀ] and C the Cholesky factor of Q Qᵀ, which keeps small
        // rows exact beside large ones. In few dimensions rows depend on each other.
        semidefinite_cholesky(&mut self.triangle);
        let count = self.triangle.nrows();
        self.wide.slice_mut(s![.., ..count]).assign(&self.triangle);
        self.wide.slice_mut(s![.., count..]).assign(&self.cross_part.t());
        self.noise_part.diag_mut().mapv_inplace(|d| d + 1.0);
        cholesky(&mut self.noise_part).map_err(|_| UpdateFailed)?;
        self.log_det = 2.0 * self.noise_part.diag().iter().map(|d| d.ln()).sum::<f64>();

        // Q V in terms of N, then divided by M.
        let (mut of_noise, mut of_scores) = self.images.multi_slice_mut((s![.., ..size], s![.., size..]));
        general_mat_mul(1.0, &self.cross_part.t(), &self.root, 0.0, &mut of_noise);
        of_scores.assign(&self.root);
        let (vectors, singular_values) = self.svd.decompose(&mut self.wide).ok_or(UpdateFailed)?;
        product(vectors.t(), self.images.view(), &mut self.weighted);
        for (mut row, singular) in self.weighted.rows_mut().into_iter().zip(singular_values) {
            let m = 0.5 + singular.hypot(0.5);
            self.log_det -= m.ln();
            row /= m;
        }
        general_mat_mul(-1.0, &self.weighted.t(), &self.weighted, 0.0, &mut self.change);
        general_mat_mul(1.0, &self.root.t(), &self.root, 1.0, &mut self.change.slice_mut(s![..size, ..size]));

        let (mut left, mut right) = self.through.multi_slice_mut((s![.., ..size], s![.., size..]));
        general_mat_mul(1.0, &gaussian.loadings(), &noise.t(), 0.0, &mut left);
        general_mat_mul(1.0, &gaussian.loadings(), &scores.t(), 0.0, &mut right);
        product(gaussian.inner(), self.through.view(), &mut self.lifted);
        product(self.lifted.view(), self.change.view(), &mut self.lifted_change);
        self.fill_middle();
        self.fill_shift(terms.pull);
        if self.log_det.is_finite() && self.middle.iter().chain(&self.shift).all(|v| v.is_finite()) {
            Ok(())
        } else {
            Err(UpdateFailed)
        }
    }

    /// ρ, (B + 1) × B.
    fn fill_root(&mut self, terms: &MatchTerms) {
        let size = self.root.ncols() as f64;
        self.root.fill(-terms.spread / size);
        self.root.diag_mut().mapv_inplace(|r| r + terms.spread);
        let last = self.root.nrows() - 1;
        self.root.row_mut(last).fill(terms.mean / size);
    }

    /// Y = [[I + G X Gᵀ, G X], [X Gᵀ, X]] with G = A Lᵀ Nᵀ.
    fn fill_middle(&mut self) {
        let rank = self.lifted.nrows();
        let mut corner = self.middle.slice_mut(s![..rank, ..rank]);
        corner.fill(0.0);
        corner.diag_mut().fill(1.0);
        general_mat_mul(1.0, &self.lifted_change, &self.lifted.t(), 1.0, &mut corner);
        self.middle.slice_mut(s![..rank, rank..]).assign(&self.lifted_change);
        self.middle.slice_mut(s![rank.., ..rank]).assign(&self.lifted_change.t());
        self.middle.slice_mut(s![rank.., rank..]).assign(&self.change);
    }

    /// The mean's move λ/(1+λ) (Σ h̄ + ε̄) in terms of T.
    fn fill_shift(&mut self, pull: f64) {
        let (rank, size) = (self.lifted.nrows(), self.noise_gram.nrows());
        let share = (size as f64).recip();
        let (mut of_loadings, mut of_batch) = self.shift.multi_slice_mut((s![..rank], s![rank..]));
        of_batch.fill(share);
        for (column, (of_noise, of_scores)) in
            self.cross_gram.rows().into_iter().zip(self.score_gram.rows()).enumerate()
        {
            of_batch.scaled_add(of_noise.sum() * share, &self.change.column(column));
            of_batch.scaled_add(of_scores.sum() * share, &self.change.column(size + column));
        }
        of_batch *= pull;
        Zip::from(&mut of_loadings).and(self.lifted.rows()).for_each(|shift, row| *shift = row.dot(&of_batch));
    }

    /// The matched covariance in units of Ψ^½ of `gaussian`, given the batch and the Gaussian that
    /// it was matched for.
    pub fn covariance<'a>(&'a self, batch: &'a Batch, gaussian: &'a LowRankGaussian) -> ImplicitCovariance<'a> {
        ImplicitCovariance {
            tables: [gaussian.loadings(), batch.noise(), batch.whitened_scores()],
            middle: self.middle.view(),
            // That of I + LLᵀ is added to the one in whitened coordinates.
            log_det: self.log_det + 2.0 * gaussian.log_det_loadings(),
        }
    }

    /// The mean's move in units of Ψ^½, as factors of the rows of T.
    pub fn shift(&self) -> ArrayView1<'_, f64> {
        self.shift.view()
    }
}
