//! Standardised points, and the features of those coordinates that others depend on.

use super::TriangularMap;
use super::features::{self, BENDS};
use super::table::Table;
use ndarray::ArrayView2;

/// Standardised points in a map's order, with the features of those coordinates that others depend on.
#[derive(Debug, Default)]
pub(super) struct Points {
    /// w, D × n.
    pub w: Table,
    features: Table,
    modulations: Table,
}

/// A parent's coordinate and its features at all points.
pub(super) struct Parent<'a> {
    pub w: &'a [f64],
    /// The softplus functions at the knots.
    pub bends: [&'a [f64]; BENDS],
    /// Their derivatives.
    pub slopes: [&'a [f64]; BENDS],
}

impl Points {
    pub fn reshape(&mut self, map: &TriangularMap, points: usize) {
        let structure = map.structure();
        self.w.reshape(map.dim(), points);
        self.features.reshape(features::ROWS * structure.slot_count(), points);
        self.modulations.reshape(features::ROWS * structure.hubs(), points);
    }

    /// The number of points.
    pub fn count(&self) -> usize {
        self.w.columns()
    }

    /// Takes the rows x of `points` (n × D), standardised.
    pub fn set(&mut self, map: &TriangularMap, points: ArrayView2<'_, f64>) {
        self.reshape(map, points.nrows());
        let frames = map.structure().order().iter().map(|&i| (points.column(i), map.location()[i], map.scale()[i]));
        for (position, (values, location, scale)) in frames.enumerate() {
            let row = self.w.row_mut(position);
            row.iter_mut().zip(values).for_each(|(w, x)| *w = (x - location) / scale);
            self.fill_features(map, position);
        }
    }

    /// Computes the features of one position, where others depend on it.
    pub fn fill_features(&mut self, map: &TriangularMap, position: usize) {
        let Some(slot) = map.structure().slot(position) else { return };
        let rows = self.features.rows_mut(features::ROWS * slot, features::ROWS);
        features::fill(self.w.row(position), rows);
        if position < map.structure().hubs() {
            let sigmoids = &rows[BENDS * self.w.columns()..];
            let modulations = self.modulations.rows_mut(features::ROWS * position, features::ROWS);
            features::fill_modulations(sigmoids, modulations);
        }
    }

    pub fn parent(&self, map: &TriangularMap, position: usize) -> Parent<'_> {
        let slot = map.structure().slot(position).expect("a parent has features");
        let row = |offset| self.features.row(features::ROWS * slot + offset);
        Parent {
            w: self.w.row(position),
            bends: std::array::from_fn(row),
            slopes: std::array::from_fn(|bend| row(BENDS + bend)),
        }
    }

    /// σ of a hub: the factor of the term 1 + 3g + b, for `term` 3g + b.
    pub fn modulation(&self, term: usize) -> &[f64] {
        self.modulations.row(term / BENDS * features::ROWS + term % BENDS)
    }

    /// The derivative of σ in the hub's own coordinate.
    pub fn modulation_slope(&self, term: usize) -> &[f64] {
        self.modulations.row(term / BENDS * features::ROWS + BENDS + term % BENDS)
    }
}
