//! Files with which CmdStan's sampler starts from a fit: an initial point per chain, and the inverse metric.

use super::stan_json::variables_json;
use crate::fit::Fit;
use crate::model::Model;
use ndarray::{Array2, ArrayView2, Axis};
use serde_json::{Value, json};
use std::num::NonZeroUsize;

/// With fewer draws per dimension than this, a covariance of the draws says too little about correlations.
const DRAWS_PER_DIMENSION: usize = 5;

/// The names and contents of the files: `inits_1.json` and so on, one for each of `chains`, of draws far apart in the
/// fit, on the constrained scale; `metric_diag.json` and, where there are enough draws for it, `metric_dense.json`, on
/// the unconstrained scale.
pub fn cmdstan_init(fit: &Fit, target: &dyn Model, chains: NonZeroUsize) -> Vec<(String, Value)> {
    let points = fit.unconstrained.view();
    let names = &target.names()[..target.parameter_count()];
    let mut files: Vec<(String, Value)> = (1..)
        .zip(starts(target, points, chains))
        .map(|(chain, values)| (format!("inits_{chain}.json"), variables_json(names, &values)))
        .collect();
    let covariance = inverse_metric(points);
    let metric = |name: &str, inverse: Value| (format!("{name}.json"), json!({ "inv_metric": inverse }));
    files.push(metric("metric_diag", json!(covariance.diag().to_vec())));
    if points.nrows() >= DRAWS_PER_DIMENSION * points.ncols() {
        let rows: Vec<Vec<f64>> = covariance.rows().into_iter().map(|row| row.to_vec()).collect();
        files.push(metric("metric_dense", json!(rows)));
    }
    files
}

/// The parameters of `chains` draws, evenly spread over those that have finite values; some twice where there are too
/// few.
fn starts(target: &dyn Model, points: ArrayView2<'_, f64>, chains: NonZeroUsize) -> Vec<Vec<f64>> {
    let (count, chains) = (points.nrows(), chains.get());
    let values = |row: usize| {
        let mut values = vec![0.0; target.parameter_count()];
        let constrained = target.constrain_parameters(&points.row(row).to_vec(), &mut values);
        (constrained.is_ok() && values.iter().all(|value| value.is_finite())).then_some(values)
    };
    let from = |first: usize| (first..count).chain(0..first).find_map(values);
    (0..chains).filter_map(|chain| from(chain * count / chains)).collect()
}

/// The covariance of the draws, shrunk towards a small multiple of the identity just as Stan's own adaptation does
/// (`stan/mcmc/covar_adaptation.hpp`), so that it is positive definite.
fn inverse_metric(points: ArrayView2<'_, f64>) -> Array2<f64> {
    let count = points.nrows() as f64;
    let mut centred = points.to_owned();
    if let Some(mean) = points.mean_axis(Axis(0)) {
        centred -= &mean;
    }
    let mut covariance = centred.t().dot(&centred) / (count - 1.0);
    covariance *= count / (count + 5.0);
    covariance.diag_mut().mapv_inplace(|variance| variance + 1e-3 * 5.0 / (count + 5.0));
    // Stan asks for symmetry to 1e-8 of the elements, which rounding in the product need not give.
    (&covariance + &covariance.t()) / 2.0
}
