//! Which coordinates depend nonlinearly on which, where there are more of them than a few drivers could
//! be: horseshoes, and other hierarchies of many local scales.

use super::Structure;
use super::regression::Regression;
use ndarray::{Array1, Array2};
use rayon::prelude::*;

/// Parents of a coordinate at most, beside the drivers: those that explain most.
const MOST_PARENTS: usize = 3;
/// The share of a score's nonlinear part that a parent must explain.
const LEAST_SHARE: f64 = 0.01;

/// What pairs of coordinates explain of the scores' nonlinear part.
pub(super) struct PairShares {
    /// The share of score j that w_j w_k explains: k modulates the precision of j. D × D.
    products: Array2<f64>,
    /// The share of score j that w_k² explains. D × D.
    squares: Array2<f64>,
}

impl PairShares {
    /// Shares of what `regression` has not explained.
    pub fn new(regression: &Regression) -> Self {
        let dim = regression.dim();
        let columns: Vec<Array1<f64>> =
            (0..dim).into_par_iter().map(|k| regression.shares_of_own(&regression.products(k))).collect();
        let mut products = Array2::zeros((dim, dim));
        for (mut column, shares) in products.columns_mut().into_iter().zip(columns) {
            column.assign(&shares);
        }
        let mut squares = regression.shares(&regression.coordinate_squares());
        for shares in [&mut products, &mut squares] {
            shares.diag_mut().fill(0.0);
        }
        Self { products, squares }
    }

    /// `others` in the order of how much more they modulate than they are modulated, most first.
    pub fn order(&self, others: &[usize]) -> Vec<usize> {
        let excess = |k: usize| others.iter().map(|&j| self.products[[j, k]] - self.products[[k, j]]).sum::<f64>();
        let mut ranked: Vec<(usize, f64)> = others.iter().map(|&k| (k, excess(k))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.into_iter().map(|(k, _)| k).collect()
    }

    /// The structure with these drivers and then `others`, each with the parents before it that explain
    /// most of its score; none where none has a parent.
    pub fn structure(&self, drivers: &[usize], others: &[usize]) -> Option<Structure> {
        let order: Vec<usize> = drivers.iter().chain(others).copied().collect();
        let share = |j: usize, k: usize| self.products[[j, k]] + self.squares[[j, k]];
        let parents = |position: usize| -> Vec<usize> {
            let mut ranked: Vec<(usize, f64)> = (drivers.len()..position)
                .map(|earlier| (earlier, share(order[position], order[earlier])))
                .filter(|(_, share)| *share > LEAST_SHARE)
                .collect();
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
            let mut parents: Vec<usize> = ranked.into_iter().take(MOST_PARENTS).map(|(parent, _)| parent).collect();
            parents.sort_unstable();
            parents
        };
        let pairs: Vec<Vec<usize>> = (0..order.len()).map(parents).collect();
        let any = pairs.iter().any(|parents| !parents.is_empty());
        any.then(|| Structure::new(order, drivers.len(), &pairs).expect("parents are sorted and earlier"))
    }
}
