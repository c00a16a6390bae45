//! The sums over earlier positions in a map's conditionals, Σ_l L_jl w_l and Σ_l M_gjl w_l, and their
//! transposes. They are computed in blocks of positions: the contribution of earlier blocks is one
//! product of matrices.

use super::TriangularMap;
use super::points::Points;
use super::table::{Table, add_product, add_scaled, multiply};
use ndarray::linalg::general_mat_mul;
use ndarray::s;
use std::ops::Range;

/// Positions of a block: within it sums go term by term, so that it is small, yet products of matrices
/// pay.
const BLOCK: usize = 16;

/// The blocks of D positions.
pub(super) fn blocks(dim: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..dim.div_ceil(BLOCK)).map(move |block| block * BLOCK..dim.min((block + 1) * BLOCK))
}

/// Columns of the coefficients, and from one row that has them to the next.
struct Part {
    columns: Range<usize>,
    step: isize,
}

/// The columns before `end`: those that hubs modulate, in every row, and the others, in those of the constant term.
fn parts(map: &TriangularMap, end: usize) -> impl Iterator<Item = Part> {
    let first = end.min(map.structure().modulated());
    let steps = [(0..first, 1), (first..end, map.structure().terms() as isize)];
    steps.into_iter().filter(|(columns, _)| !columns.is_empty()).map(|(columns, step)| Part { columns, step })
}

/// Where the sums of a position's term end.
fn end_of_term(map: &TriangularMap, position: usize, term: usize) -> usize {
    if term == 0 { position } else { position.min(map.structure().modulated()) }
}

/// For the positions of one block a row of numbers for each term: the constant one, and one for each
/// modulation.
#[derive(Debug, Default)]
pub(super) struct LinearSums(Table);

impl LinearSums {
    pub fn reshape(&mut self, map: &TriangularMap, points: usize) {
        self.0.reshape(map.structure().terms() * BLOCK.min(map.dim()), points);
    }

    /// The sums of a position over all rows of `x` before it, which `x` must hold by now. Positions come in order.
    pub fn sum(&mut self, map: &TriangularMap, position: usize, x: &Table) {
        let start = position - position % BLOCK;
        let block = start..map.dim().min(start + BLOCK);
        if position == start {
            self.begin(map, &block, x);
        }
        self.complete(map, &block, position, x);
    }

    /// Sums over the rows of `x` before the block.
    fn begin(&mut self, map: &TriangularMap, block: &Range<usize>, x: &Table) {
        let terms = map.structure().terms();
        let mut sums = self.0.head_mut(terms * block.len());
        sums.fill(0.0);
        for Part { columns, step } in parts(map, block.start) {
            let rows = terms * block.start..terms * block.end;
            let coefficients = map.coefficients.linear.slice(s![rows;step, columns.clone()]);
            let x = x.head(block.start);
            general_mat_mul(1.0, &coefficients, &x.slice(s![columns, ..]), 1.0, &mut sums.slice_mut(s![..;step, ..]));
        }
    }

    /// Adds those over the rows within the block.
    fn complete(&mut self, map: &TriangularMap, block: &Range<usize>, position: usize, x: &Table) {
        let terms = map.structure().terms();
        for term in 0..map.terms_of(position) {
            let coefficients = map.coefficients.linear.row(terms * position + term);
            let sums = self.0.row_mut(terms * (position - block.start) + term);
            for earlier in block.start..end_of_term(map, position, term) {
                add_scaled(sums, coefficients[earlier], x.row(earlier));
            }
        }
    }

    /// A term's sums.
    pub fn row(&self, map: &TriangularMap, position: usize, term: usize) -> &[f64] {
        self.0.row(map.structure().terms() * (position % BLOCK) + term)
    }

    /// Adds the constant term's sums and those of the modulations, modulated, to `out`.
    pub fn add_to(&self, map: &TriangularMap, points: &Points, position: usize, out: &mut [f64]) {
        add_scaled(out, 1.0, self.row(map, position, 0));
        for term in 1..map.terms_of(position) {
            add_product(out, points.modulation(term - 1), self.row(map, position, term));
        }
    }

    /// Makes the rows of a position x, and x times each modulation.
    pub fn spread(&mut self, map: &TriangularMap, points: &Points, position: usize, x: &[f64]) {
        let terms = map.structure().terms();
        let first = terms * (position % BLOCK);
        self.0.row_mut(first).copy_from_slice(x);
        for term in 1..terms {
            multiply(self.0.row_mut(first + term), points.modulation(term - 1), x);
        }
    }

    /// Adds to the rows of `z` within the block and before `position` what the coefficients of
    /// `position` make of its rows here: products with the transposed coefficients.
    pub fn complete_transposed(&self, map: &TriangularMap, block: &Range<usize>, position: usize, z: &mut Table) {
        let terms = map.structure().terms();
        for term in 0..map.terms_of(position) {
            let coefficients = map.coefficients.linear.row(terms * position + term);
            for earlier in block.start..end_of_term(map, position, term) {
                add_scaled(z.row_mut(earlier), coefficients[earlier], self.row(map, position, term));
            }
        }
    }

    /// Adds to the rows of `z` before the block what the coefficients of the block make of its rows here.
    pub fn end_transposed(&self, map: &TriangularMap, block: &Range<usize>, z: &mut Table) {
        let terms = map.structure().terms();
        let rows = self.0.head(terms * block.len());
        for Part { columns, step } in parts(map, block.start) {
            let of_block = terms * block.start..terms * block.end;
            let coefficients = map.coefficients.linear.slice(s![of_block;step, columns.clone()]);
            let (rows, mut z) = (rows.slice(s![..;step, ..]), z.head_mut(block.start));
            general_mat_mul(1.0, &coefficients.t(), &rows, 1.0, &mut z.slice_mut(s![columns, ..]));
        }
    }

    /// Adds the products of the block's rows here with those of `x` up to the block's end, summed over
    /// points, to the derivatives in the linear coefficients.
    pub fn accumulate(
        &self,
        map: &TriangularMap,
        block: &Range<usize>,
        x: &Table,
        gradient: &mut ndarray::Array2<f64>,
    ) {
        let terms = map.structure().terms();
        let rows = self.0.head(terms * block.len());
        for Part { columns, step } in parts(map, block.end) {
            let of_block = terms * block.start..terms * block.end;
            let mut gradient = gradient.slice_mut(s![of_block;step, columns.clone()]);
            let x = x.head(block.end);
            general_mat_mul(1.0, &rows.slice(s![..;step, ..]), &x.slice(s![columns, ..]).t(), 1.0, &mut gradient);
        }
    }

    /// Adds factor ∘ x to the row of a term.
    pub fn add_product(&mut self, map: &TriangularMap, position: usize, term: usize, factor: &[f64], x: &[f64]) {
        let row = map.structure().terms() * (position % BLOCK) + term;
        add_product(self.0.row_mut(row), factor, x);
    }
}
