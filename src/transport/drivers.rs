//! Which coordinates drive others: a search by regression and by held-out residuals.

use super::regression::Regression;
use rayon::prelude::*;

/// The coordinates whose interactions with others explain most of the others' scores beyond (1, w) and
/// the interactions with the `drivers` that there are, the best `count` of them, best first.
pub(super) fn candidates(regression: &Regression, drivers: &[usize], count: usize) -> Vec<usize> {
    let others = (0..regression.dim()).filter(|k| !drivers.contains(k)).collect::<Vec<_>>();
    let mut ranked: Vec<(usize, f64)> = others
        .into_par_iter()
        .map(|k| {
            let explained = regression.explained(&regression.products(k));
            (k, explained.sum() - explained[k])
        })
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.into_iter().take(count).map(|(k, _)| k).collect()
}
