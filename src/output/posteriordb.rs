//! Reference draws as posteriordb keeps them: a zipped JSON file of draws, and one that describes them.

use crate::draws::{Draws, Summaries};
use crate::reference::{ChecksMade, ReferenceDraws};
use crate::sample::Metric;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Who made a reference, when and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The person or program to ask.
    pub added_by: String,
    /// The day, as 2026-11-21.
    pub added_date: String,
    /// Names and versions of the software.
    pub versions: BTreeMap<String, String>,
}

/// Writes `reference` under the name `name` into the database in the folder `root`; returns the paths of the draws and
/// of their description. The name has been checked to be no path.
pub fn write_reference(
    root: &Path,
    name: &str,
    reference: &ReferenceDraws,
    provenance: &Provenance,
) -> io::Result<(PathBuf, PathBuf)> {
    let folder = root.join("reference_posteriors/draws");
    let draws = folder.join(format!("draws/{name}.json.zip"));
    let info = folder.join(format!("info/{name}.info.json"));
    // The description last: whoever finds it finds the draws too.
    crate::files::write(&draws, &zipped_draws(name, &reference.draws)?)?;
    crate::files::write(&info, info_json(name, reference, provenance)?.as_bytes())?;
    Ok((draws, info))
}

/// Draws as posteriordb's JSON: a list of chains, each an object from a quantity's name to its values. What is not
/// finite is null.
pub fn draws_json(draws: &Draws) -> io::Result<String> {
    let mut text = Vec::from(b"[");
    for (number, chain) in draws.chains().enumerate() {
        text.extend_from_slice(if number > 0 { b",\n{" } else { b"{" });
        for (place, (name, values)) in draws.names().iter().zip(chain.columns()).enumerate() {
            text.extend_from_slice(if place > 0 { b",\n" } else { b"" });
            serde_json::to_writer(&mut text, name)?;
            text.push(b':');
            serde_json::to_writer(&mut text, &values.to_vec())?;
        }
        text.push(b'}');
    }
    text.extend_from_slice(b"]\n");
    String::from_utf8(text).map_err(io::Error::other)
}

/// Draws as the zipped JSON file `NAME.json`.
pub fn zipped_draws(name: &str, draws: &Draws) -> io::Result<Vec<u8>> {
    zipped(&format!("{name}.json"), &draws_json(draws)?)
}

/// A zip archive with one file. It holds no time, so that the same draws give the same archive.
fn zipped(file: &str, text: &str) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::DEFAULT.compression_level(Some(9));
    archive.start_file(file, options)?;
    archive.write_all(text.as_bytes())?;
    Ok(archive.finish()?.into_inner())
}

/// The description of a reference, with posteriordb's keys in posteriordb's order, and `summaries` of quantities
/// without draws.
fn info_json(name: &str, reference: &ReferenceDraws, provenance: &Provenance) -> io::Result<String> {
    let ReferenceDraws { diagnostics, options, summaries, from_fit, .. } = reference;
    let mut comments =
        "NUTS by nuts-rs on the log density of the Stan program; values have seven significant digits.".to_owned();
    if *from_fit {
        comments += " The chains ran in the coordinates of a Gaussian fit and began from draws twice as wide as it.";
    }
    let info = Info {
        name,
        inference: Inference {
            method: "stan_sampling",
            method_arguments: MethodArguments {
                chains: options.chains,
                iter: options.warmup + options.iterations(),
                warmup: options.warmup,
                thin: options.thin,
                seed: options.seed,
                control: Control {
                    adapt_delta: options.adapt_delta,
                    max_treedepth: options.max_depth,
                    metric: match options.metric {
                        Metric::Diagonal => "diag_e",
                        Metric::LowRank => "low_rank",
                    },
                },
            },
        },
        diagnostics: Diagnostics {
            diagnostic_information: DiagnosticInformation { names: &diagnostics.names },
            ndraws: diagnostics.draws,
            nchains: diagnostics.chains,
            effective_sample_size_bulk: &diagnostics.ess_bulk,
            effective_sample_size_tail: &diagnostics.ess_tail,
            r_hat: &diagnostics.r_hat,
            divergent_transitions: &diagnostics.divergences,
            expected_fraction_of_missing_information: &diagnostics.efmi,
            mean_lag1_ac: &diagnostics.mean_lag1,
        },
        checks_made: diagnostics.checks(),
        summaries,
        comments,
        provenance,
    };
    Ok(serde_json::to_string_pretty(&info)? + "\n")
}

#[derive(Serialize)]
struct Info<'a> {
    name: &'a str,
    inference: Inference,
    diagnostics: Diagnostics<'a>,
    checks_made: ChecksMade,
    #[serde(skip_serializing_if = "Summaries::is_empty")]
    summaries: &'a Summaries,
    comments: String,
    #[serde(flatten)]
    provenance: &'a Provenance,
}

#[derive(Serialize)]
struct Inference {
    method: &'static str,
    method_arguments: MethodArguments,
}

#[derive(Serialize)]
struct MethodArguments {
    chains: usize,
    iter: usize,
    warmup: usize,
    thin: usize,
    seed: u64,
    control: Control,
}

#[derive(Serialize)]
struct Control {
    adapt_delta: f64,
    max_treedepth: u32,
    metric: &'static str,
}

#[derive(Serialize)]
struct Diagnostics<'a> {
    diagnostic_information: DiagnosticInformation<'a>,
    ndraws: usize,
    nchains: usize,
    effective_sample_size_bulk: &'a [f64],
    effective_sample_size_tail: &'a [f64],
    r_hat: &'a [f64],
    divergent_transitions: &'a [usize],
    expected_fraction_of_missing_information: &'a [f64],
    mean_lag1_ac: &'a [f64],
}

#[derive(Serialize)]
struct DiagnosticInformation<'a> {
    names: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use crate::reference::ReferenceDiagnostics;
    use crate::sample::NutsOptions;

    fn reference() -> ReferenceDraws {
        let values = standard_normal(&mut stream(7, 0), (10_000, 2));
        let draws = Draws::new(vec!["mu".into(), "theta[1]".into()], values, vec![1000; 10]).unwrap();
        let diagnostics = ReferenceDiagnostics::new(&draws, vec![0; 10], vec![0.9; 10]);
        let options = NutsOptions { chains: 10, thin: 10, ..NutsOptions::default() };
        ReferenceDraws { draws, diagnostics, summaries: Summaries::default(), options, from_fit: false }
    }

    fn provenance() -> Provenance {
        let versions = BTreeMap::from([("stan_version".to_owned(), "2.35.0".to_owned())]);
        Provenance { added_by: "somebody".into(), added_date: "2026-11-21".into(), versions }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let reference = reference();
        let (draws, info) = write_reference(folder.path(), "data-model", &reference, &provenance()).unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&draws).unwrap()).unwrap();
        assert_eq!(archive.len(), 1);
        let text = io::read_to_string(archive.by_name("data-model.json").unwrap()).unwrap();
        assert_eq!(crate::import::parse_posteriordb_json(&text).unwrap(), reference.draws);

        let info: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(info).unwrap()).unwrap();
        assert_eq!(info["inference"]["method_arguments"]["iter"], 11_000);
        assert_eq!(info["diagnostics"]["diagnostic_information"]["names"][1], "theta[1]");
        assert_eq!(info["diagnostics"]["ndraws"], 10_000);
        assert_eq!(info["checks_made"]["ess_within_bounds"], true);
        assert_eq!(info["added_date"], "2026-11-21");
        let keys: Vec<&String> = info.as_object().unwrap().keys().collect();
        assert!(keys.contains(&&"versions".to_owned()) && keys.len() == 8, "{keys:?}");
    }

    #[test]
    fn quantities_without_draws_are_in_the_description() {
        let folder = tempfile::tempdir().unwrap();
        let one = || vec![0.5];
        let (mean, sd, mcse_mean, r_hat) = (one(), one(), one(), vec![1.0001]);
        let (q5, q16, q50, q84, q95, heavy_tailed) = (one(), one(), one(), one(), one(), vec![false]);
        let (effective_sample_size_bulk, effective_sample_size_tail) = (vec![1e4], vec![9e3]);
        let names = vec!["theta[2]".to_owned()];
        let summaries = Summaries {
            names,
            mean,
            sd,
            mcse_mean,
            q5,
            q16,
            q50,
            q84,
            q95,
            heavy_tailed,
            effective_sample_size_bulk,
            effective_sample_size_tail,
            r_hat,
        };
        let reference = ReferenceDraws { summaries: summaries.clone(), ..reference() };
        write_reference(folder.path(), "data-model", &reference, &provenance()).unwrap();
        let posterior = folder.path().join("posteriors/data-model.json");
        let description = r#"{"model_name": "m", "data_name": "d", "reference_posterior_name": "data-model"}"#;
        crate::files::write(&posterior, description.as_bytes()).unwrap();
        let database = crate::database::Database::open(Some(folder.path()), None).unwrap();
        let read = database.posterior("data-model").unwrap().required_reference().unwrap();
        assert_eq!((read.info.summaries, read.draws), (summaries, reference.draws));
    }

    #[test]
    fn the_same_draws_give_the_same_archive() {
        let archive = || zipped("a.json", &draws_json(&reference().draws).unwrap()).unwrap();
        assert_eq!(archive(), archive());
    }
}
