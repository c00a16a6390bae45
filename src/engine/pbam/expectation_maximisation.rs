//! The patch: of all covariances that are low-rank plus diagonal, the one closest to a given
//! covariance in the Kullback-Leibler divergence, by expectation maximisation for factor analysis.

use super::FLOOR;
use super::implicit_covariance::ImplicitCovariance;
use super::truncation::Truncation;
use crate::engine::UpdateFailed;
use crate::gaussian::LowRankGaussian;
use crate::linalg::{cholesky, invert_lower};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Zip, s};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Where EM starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EmStart {
    /// At the largest directions of the matched covariance.
    Truncation,
    /// At the covariance before the match, as in the paper.
    Warm,
}

/// How a matched covariance is reduced to low rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// Where EM starts.
    pub start: EmStart,
    /// Most steps of EM; 0 leaves the start as it is.
    pub max_steps: usize,
    /// EM stops when a step reduces the divergence by less than this fraction.
    pub tolerance: f64,
    /// The over-relaxation η, 1 ≤ η < 2: a step is η times as long as that of plain EM, unless that
    /// is worse.
    pub relaxation: f64,
}

impl Default for Patch {
    /// docs/contribute/decisions/002-em-start.md compares starts, tolerances and relaxations; more
    /// steps than 20 were needed with a warm start only.
    fn default() -> Self {
        Self { start: EmStart::Truncation, max_steps: 20, tolerance: 1e-2, relaxation: 1.5 }
    }
}

/// A divergence per dimension of the order of rounding errors.
const EXACT: f64 = 1e-13;

/// The patch and its workspace: two tables of the size of Λ, and small ones.
pub struct Em {
    patch: Patch,
    truncation: Truncation,
    /// diag S.
    variances: Array1<f64>,
    current: State,
    next: State,
    blocks: Blocks,
}

/// A covariance Ψ + Λ Λᵀ and what the next step from it needs.
struct State {
    psi: Array1<f64>,
    /// Λᵀ, K × D.
    loadings: Array2<f64>,
    /// ΛᵀΨ⁻¹Λ.
    gram: Array2<f64>,
    /// ΛᵀΨ⁻²Λ, then ΛᵀΨ⁻¹SΨ⁻¹Λ.
    second: Array2<f64>,
    /// TΨ⁻¹Λ, m × K.
    cross: Array2<f64>,
    /// Y TΨ⁻¹Λ, m × K.
    image: Array2<f64>,
    /// C = (I + ΛᵀΨ⁻¹Λ)⁻¹, and a table of its size.
    posterior: Array2<f64>,
    scratch: Array2<f64>,
    /// The inverse Cholesky factor G of C + JSJᵀ: its inverse is GᵀG.
    whitener: Array2<f64>,
    /// G C.
    own: Array2<f64>,
    /// G C (Y TΨ⁻¹Λ)ᵀ, K × m.
    of_table: Array2<f64>,
    trace: f64,
    log_psi: f64,
    /// The divergence KL(N(0, S) ‖ N(0, Ψ + ΛΛᵀ)).
    divergence: f64,
}

/// Columns of T and of tables of the size of Λ.
struct Blocks {
    table: Array2<f64>,
    image: Array2<f64>,
    weighted: Array2<f64>,
    whitened: Array2<f64>,
    moved: Array2<f64>,
}

impl Em {
    /// For covariances of rank `rank` and matrices T of `rows` rows.
    pub fn new(patch: Patch, dim: usize, rank: usize, rows: usize) -> Self {
        Self {
            patch,
            truncation: Truncation::new(rank, rows),
            variances: Array1::zeros(dim),
            current: State::new(dim, rank, rows),
            next: State::new(dim, rank, rows),
            blocks: Blocks {
                table: ImplicitCovariance::block_of(rows),
                image: ImplicitCovariance::block_of(rows),
                weighted: ImplicitCovariance::block_of(rank),
                whitened: ImplicitCovariance::block_of(rank),
                moved: ImplicitCovariance::block_of(rank),
            },
        }
    }

    /// Reduces `covariance`, in units of the Ψ^½ of `gaussian`, which was matched, to the rank of
    /// `gaussian`.
    pub fn run(&mut self, covariance: &ImplicitCovariance<'_>, gaussian: &LowRankGaussian) -> Result<(), UpdateFailed> {
        self.begin(covariance, gaussian)?;
        if gaussian.rank() == 0 {
            self.current.psi.assign(&self.variances);
            return Ok(());
        }
        let size = covariance.dim() as f64;
        for _ in 0..self.patch.max_steps {
            let before = self.current.divergence;
            let improved = self.step(covariance, self.patch.relaxation)
                || (self.patch.relaxation > 1.0 && self.step(covariance, 1.0));
            if !improved {
                break;
            }
            std::mem::swap(&mut self.current, &mut self.next);
            let after = self.current.divergence;
            if before - after <= self.patch.tolerance * before || after <= EXACT * size {
                break;
            }
        }
        Ok(())
    }

    /// Gives `gaussian` the covariance at the end of EM.
    pub fn apply(&mut self, gaussian: &mut LowRankGaussian) -> Result<(), UpdateFailed> {
        let State { psi, loadings, gram, .. } = &mut self.current;
        gaussian.replace_covariance(psi, loadings, gram).map_err(|_| UpdateFailed)
    }

    /// The divergence of that covariance.
    #[cfg(test)]
    pub fn divergence(&self) -> f64 {
        self.current.divergence
    }

    /// Forms diag S and the state at the start.
    fn begin(&mut self, covariance: &ImplicitCovariance<'_>, gaussian: &LowRankGaussian) -> Result<(), UpdateFailed> {
        let Self { patch, truncation, variances, current, blocks, .. } = self;
        truncation.gram.fill(0.0);
        for range in covariance.blocks() {
            let width = range.len();
            covariance.gather(range.clone(), &mut blocks.table);
            let table = blocks.table.slice(s![.., ..width]);
            let mut image = blocks.image.slice_mut(s![.., ..width]);
            general_mat_mul(1.0, &covariance.middle, &table, 0.0, &mut image);
            let mut variances = variances.slice_mut(s![range]);
            variances.fill(1.0);
            for (table, image) in table.rows().into_iter().zip(image.rows()) {
                Zip::from(&mut variances).and(&table).and(&image).for_each(|v, t, i| *v += t * i);
            }
            if patch.start == EmStart::Truncation {
                general_mat_mul(1.0, &table, &table.t(), 1.0, &mut truncation.gram);
            }
        }
        if !variances.iter().all(|v| *v > 0.0 && v.is_finite()) {
            return Err(UpdateFailed);
        }
        match patch.start {
            EmStart::Truncation => truncation.run(covariance)?,
            EmStart::Warm => {
                current.psi.fill(1.0);
                current.loadings.assign(&gaussian.loadings());
            }
        }
        current.reset();
        for range in covariance.blocks() {
            let width = range.len();
            covariance.gather(range.clone(), &mut blocks.table);
            let table = blocks.table.slice(s![.., ..width]);
            let variances = variances.slice(s![range.clone()]);
            if patch.start == EmStart::Truncation {
                current.truncate(range.clone(), table, variances, truncation.factors.view());
            }
            current.count(range, table, variances, blocks.weighted.slice_mut(s![.., ..width]));
        }
        if current.finish(covariance) { Ok(()) } else { Err(UpdateFailed) }
    }

    /// A step of EM from the current state to the next, `relaxation` times as far as plain EM.
    /// Whether it is an improvement.
    fn step(&mut self, covariance: &ImplicitCovariance<'_>, relaxation: f64) -> bool {
        let Self { variances, current, next, blocks, .. } = self;
        next.reset();
        for range in covariance.blocks() {
            let width = range.len();
            covariance.gather(range.clone(), &mut blocks.table);
            let table = blocks.table.slice(s![.., ..width]);
            let mut weighted = blocks.weighted.slice_mut(s![.., ..width]);
            let mut whitened = blocks.whitened.slice_mut(s![.., ..width]);
            let mut moved = blocks.moved.slice_mut(s![.., ..width]);
            let variances = variances.slice(s![range.clone()]);
            let (psi, loadings) = (current.psi.slice(s![range.clone()]), current.loadings.slice(s![.., range.clone()]));
            Zip::from(&mut weighted).and(&loadings).and_broadcast(&psi).for_each(|w, l, p| *w = l / p);
            // The rows of whitened are G J S; their squares' sum is the diagonal of S Jᵀ (C + J S
            // Jᵀ)⁻¹ J S.
            general_mat_mul(1.0, &current.own, &weighted, 0.0, &mut whitened);
            general_mat_mul(1.0, &current.of_table, &table, 1.0, &mut whitened);
            general_mat_mul(1.0, &current.whitener.t(), &whitened, 0.0, &mut moved);
            let mut next_psi = next.psi.slice_mut(s![range.clone()]);
            next_psi.assign(&variances);
            for row in whitened.rows() {
                Zip::from(&mut next_psi).and(&row).for_each(|p, w| *p -= w * w);
            }
            let mut positive = true;
            Zip::from(&mut next_psi).and(&psi).and(&variances).for_each(|next, old, variance| {
                *next = old + relaxation * (*next - old);
                let floor = FLOOR * variance;
                positive &= *next >= floor || relaxation == 1.0;
                *next = next.max(floor);
            });
            if !positive {
                return false;
            }
            Zip::from(next.loadings.slice_mut(s![.., range.clone()]))
                .and(&loadings)
                .and(&moved)
                .for_each(|next, old, moved| *next = old + relaxation * (moved - old));
            next.count(range, table, variances, weighted);
        }
        next.finish(covariance) && next.divergence < current.divergence
    }
}

impl State {
    fn new(dim: usize, rank: usize, rows: usize) -> Self {
        let zeros = |rows, columns| Array2::<f64>::zeros((rows, columns));
        Self {
            psi: Array1::zeros(dim),
            loadings: zeros(rank, dim),
            gram: zeros(rank, rank),
            second: zeros(rank, rank),
            cross: zeros(rows, rank),
            image: zeros(rows, rank),
            posterior: zeros(rank, rank),
            scratch: zeros(rank, rank),
            whitener: zeros(rank, rank),
            own: zeros(rank, rank),
            of_table: zeros(rank, rows),
            trace: 0.0,
            log_psi: 0.0,
            divergence: f64::NAN,
        }
    }

    fn reset(&mut self) {
        for sum in [&mut self.gram, &mut self.second, &mut self.cross] {
            sum.fill(0.0);
        }
        (self.trace, self.log_psi) = (0.0, 0.0);
    }

    /// Fills columns `range` with what is kept of T, `table`, and what that leaves of the
    /// variances.
    fn truncate(
        &mut self,
        range: Range<usize>,
        table: ArrayView2<'_, f64>,
        variances: ArrayView1<'_, f64>,
        factors: ArrayView2<'_, f64>,
    ) {
        let (mut psi, mut loadings) = (self.psi.slice_mut(s![range.clone()]), self.loadings.slice_mut(s![.., range]));
        general_mat_mul(1.0, &factors, &table, 0.0, &mut loadings);
        psi.assign(&variances);
        for row in loadings.rows() {
            Zip::from(&mut psi).and(&row).for_each(|psi, l| *psi -= l * l);
        }
        Zip::from(&mut psi).and(&variances).for_each(|psi, variance| *psi = psi.max(FLOOR * variance));
    }

    /// Counts columns `range` in, where T is `table` and diag S `variances`.
    fn count(
        &mut self,
        range: Range<usize>,
        table: ArrayView2<'_, f64>,
        variances: ArrayView1<'_, f64>,
        mut weighted: ArrayViewMut2<'_, f64>,
    ) {
        let (psi, loadings) = (self.psi.slice(s![range.clone()]), self.loadings.slice(s![.., range]));
        Zip::from(&mut weighted).and(&loadings).and_broadcast(&psi).for_each(|w, l, p| *w = l / p);
        general_mat_mul(1.0, &loadings, &weighted.t(), 1.0, &mut self.gram);
        general_mat_mul(1.0, &weighted, &weighted.t(), 1.0, &mut self.second);
        general_mat_mul(1.0, &table, &weighted.t(), 1.0, &mut self.cross);
        Zip::from(&psi).and(&variances).for_each(|psi, variance| {
            self.trace += variance / psi;
            self.log_psi += psi.ln();
        });
    }

    /// What follows once all columns are counted; whether it is finite.
    fn finish(&mut self, covariance: &ImplicitCovariance<'_>) -> bool {
        general_mat_mul(1.0, &covariance.middle, &self.cross, 0.0, &mut self.image);
        general_mat_mul(1.0, &self.cross.t(), &self.image, 1.0, &mut self.second);
        self.scratch.assign(&self.gram);
        self.scratch.diag_mut().mapv_inplace(|d| d + 1.0);
        if cholesky(&mut self.scratch).is_err() {
            return false;
        }
        let log_det = self.log_psi + 2.0 * self.scratch.diag().iter().map(|d| d.ln()).sum::<f64>();
        invert_lower(&mut self.scratch);
        general_mat_mul(1.0, &self.scratch.t(), &self.scratch, 0.0, &mut self.posterior);
        let explained: f64 = self.posterior.iter().zip(&self.second).map(|(c, s)| c * s).sum();
        let dim = self.psi.len() as f64;
        self.divergence = 0.5 * (self.trace - explained - dim + log_det - covariance.log_det);
        // C + C (ΛᵀΨ⁻¹SΨ⁻¹Λ) C.
        general_mat_mul(1.0, &self.second, &self.posterior, 0.0, &mut self.scratch);
        self.whitener.assign(&self.posterior);
        general_mat_mul(1.0, &self.posterior, &self.scratch, 1.0, &mut self.whitener);
        if cholesky(&mut self.whitener).is_err() {
            return false;
        }
        invert_lower(&mut self.whitener);
        general_mat_mul(1.0, &self.whitener, &self.posterior, 0.0, &mut self.own);
        general_mat_mul(1.0, &self.own, &self.image.t(), 0.0, &mut self.of_table);
        self.divergence.is_finite()
    }
}
