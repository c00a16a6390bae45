//! The coefficients of a map, and the vector that they form for an optimiser or a file.

use super::Structure;
use super::features::{BENDS, LOCATION_FEATURES, SCALE_FEATURES};
use ndarray::{Array1, Array2, s};

/// Coefficients of a map, or derivatives in them. Positions are j, their parents k, earlier
/// positions l, hubs g; pairs (j, k) are numbered as in the structure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Coefficients {
    /// c, of length D.
    pub offsets: Array1<f64>,
    /// a0, of length D.
    pub log_scales: Array1<f64>,
    /// ε, d and b of each position, D × 3.
    pub tails: Array2<f64>,
    /// A, pairs × φ.
    pub scale_features: Array2<f64>,
    /// N, pairs × φ⁺.
    pub location_features: Array2<f64>,
    /// L and M, (terms · D) × D: row terms · j + t has the coefficients of w_l for position j, those
    /// of L at t = 0 and those that the hub g's modulation b multiplies at t = 1 + 3g + b. Only l < j
    /// is read.
    pub linear: Array2<f64>,
    /// l is less than this where t > 0.
    modulated: usize,
}

impl Coefficients {
    pub fn zeros(structure: &Structure) -> Self {
        let (dim, pairs) = (structure.dim(), structure.pair_count());
        Self {
            offsets: Array1::zeros(dim),
            log_scales: Array1::zeros(dim),
            tails: Array2::zeros((dim, 3)),
            scale_features: Array2::zeros((pairs, SCALE_FEATURES)),
            location_features: Array2::zeros((pairs, LOCATION_FEATURES)),
            linear: Array2::zeros((structure.terms() * dim, dim)),
            modulated: structure.modulated(),
        }
    }

    pub fn fill(&mut self, value: f64) {
        self.slices_mut().for_each(|slice| slice.fill(value));
    }

    /// How many coefficients a map of this structure has.
    pub fn count(structure: &Structure) -> usize {
        let dim = structure.dim();
        5 * dim
            + structure.pair_count() * (SCALE_FEATURES + LOCATION_FEATURES)
            + dim * dim.saturating_sub(1) / 2
            + (structure.terms() - 1) * (0..dim).map(|position| position.min(structure.modulated())).sum::<usize>()
    }

    /// How strongly each coefficient is pulled towards zero, in the order of [`packed`](Self::packed): not
    /// at all for c and a0, and hardly for L, which are the Gaussian's.
    pub fn penalties(structure: &Structure) -> Vec<f64> {
        const LINEAR: f64 = 0.01;
        let mut penalties = Self::zeros(structure);
        penalties.fill(1.0);
        penalties.offsets.fill(0.0);
        penalties.log_scales.fill(0.0);
        let terms = structure.terms();
        penalties.linear.rows_mut().into_iter().step_by(terms).for_each(|mut row| row.fill(LINEAR));
        penalties.packed()
    }

    /// Sets to zero what a structure has no use for: a hub modulates neither positions up to its own
    /// nor how others depend on itself, nor, in many dimensions, how they depend on positions far from the first.
    pub fn mask(&mut self, structure: &Structure) {
        let terms = structure.terms();
        for hub in 0..structure.hubs() {
            for term in 1 + BENDS * hub..1 + BENDS * (hub + 1) {
                for position in 0..structure.dim() {
                    let mut row = self.linear.row_mut(terms * position + term);
                    if position <= hub {
                        row.fill(0.0);
                    } else {
                        row[hub] = 0.0;
                        row.slice_mut(s![structure.modulated()..]).fill(0.0);
                    }
                }
            }
        }
    }

    /// All coefficients, one after the other.
    pub fn packed(&self) -> Vec<f64> {
        self.values().copied().collect()
    }

    /// Adds all coefficients to `out`, in the order of [`packed`](Self::packed).
    pub fn add_to(&self, mut out: &mut [f64]) {
        for slice in self.slices() {
            let (part, rest) = out.split_at_mut(slice.len());
            part.iter_mut().zip(slice).for_each(|(out, value)| *out += value);
            out = rest;
        }
        assert!(out.is_empty(), "as many numbers as the map has coefficients");
    }

    /// All coefficients, in the order of [`packed`](Self::packed).
    pub fn values(&self) -> impl Iterator<Item = &f64> {
        self.slices().flatten()
    }

    /// Reads all coefficients, in the order of [`packed`](Self::packed).
    pub fn unpack(&mut self, mut packed: &[f64]) {
        for slice in self.slices_mut() {
            let (values, rest) = packed.split_at(slice.len());
            slice.copy_from_slice(values);
            packed = rest;
        }
        assert!(packed.is_empty(), "as many numbers as the map has coefficients");
    }

    fn terms(&self) -> usize {
        self.linear.nrows() / self.linear.ncols().max(1)
    }

    fn slices(&self) -> impl Iterator<Item = &[f64]> {
        let (terms, modulated) = (self.terms(), self.modulated);
        let vectors = [self.offsets.as_slice(), self.log_scales.as_slice()];
        let tables = [self.tails.as_slice(), self.scale_features.as_slice(), self.location_features.as_slice()];
        let whole = vectors.into_iter().chain(tables).map(|slice| slice.expect(CONTIGUOUS));
        let rows = self.linear.rows().into_iter().enumerate();
        let used = move |row| used(row, terms, modulated);
        whole.chain(rows.map(move |(row, values)| &values.to_slice().expect(CONTIGUOUS)[..used(row)]))
    }

    fn slices_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let (terms, modulated) = (self.terms(), self.modulated);
        let vectors = [self.offsets.as_slice_mut(), self.log_scales.as_slice_mut()];
        let tables =
            [self.tails.as_slice_mut(), self.scale_features.as_slice_mut(), self.location_features.as_slice_mut()];
        let whole = vectors.into_iter().chain(tables).map(|slice| slice.expect(CONTIGUOUS));
        let rows = self.linear.rows_mut().into_iter().enumerate();
        let used = move |row| used(row, terms, modulated);
        whole.chain(rows.map(move |(row, values)| &mut values.into_slice().expect(CONTIGUOUS)[..used(row)]))
    }
}

/// How many numbers of a row of the linear coefficients are read.
fn used(row: usize, terms: usize, modulated: usize) -> usize {
    let position = row / terms;
    if row.is_multiple_of(terms) { position } else { position.min(modulated) }
}

const CONTIGUOUS: &str = "our own tables are contiguous";
