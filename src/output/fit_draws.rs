//! The draws of a fit as files: CmdStan's CSV, one file per chain, and posteriordb's JSON on either scale.

use super::CmdstanCsv;
use super::posteriordb::zipped_draws;
use crate::document::FitDocument;
use crate::draws::Draws;
use crate::fit::Fit;
use crate::model::Model;
use rayon::prelude::*;
use std::io;

/// The name and text of a CSV file for each chain. The log density, with Jacobian terms and, for compiled models,
/// constants, is the column `lp__`.
pub fn cmdstan_csv_files(document: &FitDocument, fit: &Fit, target: &dyn Model) -> Vec<(String, String)> {
    let log_densities: Vec<f64> = fit
        .unconstrained
        .rows()
        .into_iter()
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|point| target.log_density(&point.to_vec()).unwrap_or(f64::NAN))
        .collect();
    let mut first = 0;
    let chains = fit.draws.chain_lengths().len();
    (1..)
        .zip(fit.draws.chains())
        .map(|(chain, draws)| {
            let log_density = log_densities[first..first + draws.nrows()].to_vec();
            first += draws.nrows();
            let csv = CmdstanCsv {
                configuration: configuration(document, (chain, chains), draws.nrows()),
                algorithm: vec![("lp__", log_density)],
                closing: closing(fit.seconds()),
                ..CmdstanCsv::default()
            };
            (format!("draws-{chain}.csv"), csv.text(fit.draws.names(), draws))
        })
        .collect()
}

/// The draws on both scales, as posteriordb's zipped JSON.
pub fn posteriordb_files(fit: &Fit, target: &dyn Model) -> io::Result<[(&'static str, Vec<u8>); 2]> {
    let chains = fit.draws.chain_lengths().to_vec();
    let unconstrained = Draws::new(target.unconstrained_names(), fit.unconstrained.clone(), chains);
    let unconstrained = unconstrained.map_err(io::Error::other)?;
    Ok([
        ("draws.json.zip", zipped_draws("draws", &fit.draws)?),
        ("unconstrained.json.zip", zipped_draws("unconstrained", &unconstrained)?),
    ])
}

/// What readers of CmdStan's files take the run's settings from.
///
/// Of CmdStan's methods, `pathfinder` is the one whose files hold importance-resampled draws of a Gaussian and nothing
/// else, and of which every reader keeps every row: of `variational` some drop the first row as the mean, and some do
/// not. Chains are `sample`; `fixed_param` says that no columns of NUTS follow, and the warm-up, of which nothing is
/// saved, is CmdStan's default, as CmdStanPy refuses 0.
fn configuration(document: &FitDocument, (chain, chains): (usize, usize), draws: usize) -> Vec<String> {
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let (model, method, version) = (known(&document.model), known(&document.method), &document.version);
    let stan_version = document.toolchain.as_ref().map_or("", |toolchain| toolchain.stan_version.as_str());
    let mut lines = vec![format!("written by stanmatch {version}; method {method}")];
    for (part, number) in ["major", "minor", "patch"].iter().zip(stan_version.split('.')) {
        lines.push(format!("stan_version_{part} = {number}"));
    }
    lines.push(format!("model = {model}_model"));
    lines.extend(if chains == 1 {
        vec![
            "method = pathfinder".to_owned(),
            format!("  num_draws = {draws}"),
            "  num_paths = 1".to_owned(),
            "  psis_resample = 1".to_owned(),
        ]
    } else {
        vec![
            "method = sample".to_owned(),
            format!("  num_samples = {draws}"),
            "  num_warmup = 1000 (Default)".to_owned(),
            "  save_warmup = 0 (Default)".to_owned(),
            "  thin = 1".to_owned(),
            "  algorithm = fixed_param".to_owned(),
        ]
    });
    lines.extend([format!("id = {chain}"), format!("seed = {}", document.seed.unwrap_or_default())]);
    lines
}

/// The times, below which readers look for no more draws.
fn closing(seconds: f64) -> Vec<String> {
    let line = |lead: &str, seconds: f64, part: &str| format!("{lead}{seconds:.3} seconds ({part})");
    let indent = " ".repeat(15);
    vec![
        String::new(),
        line(" Elapsed Time: ", 0.0, "Warm-up"),
        line(&indent, seconds, "Sampling"),
        line(&indent, seconds, "Total"),
        String::new(),
    ]
}
