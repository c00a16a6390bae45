//! A fit in a folder: its document, its draws on both scales, its trace and its family.

use super::cmdstan_init::cmdstan_init;
use super::fit_draws::{cmdstan_csv_files, posteriordb_files};
use super::stale::{is_chain, is_numbered, remove_stale};
use crate::document::{FamilyDocument, FitDocument};
use crate::engine::{TraceErrors, TraceRow};
use crate::files;
use crate::fit::{FIT_DOCUMENT, Fit};
use crate::model::Model;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

/// The file from which a fit's engine can be resumed.
pub const STATE: &str = "state.json";

/// What is saved of a fit.
pub struct SavedFit<'a> {
    /// The document.
    pub document: &'a FitDocument,
    /// The fit itself.
    pub fit: &'a Fit,
    /// Its posterior.
    pub target: &'a dyn Model,
    /// The text of its Stan program.
    pub program: &'a str,
    /// For how many of CmdStan's chains initial values are saved, with metrics; None for neither.
    pub cmdstan_chains: Option<NonZeroUsize>,
}

impl SavedFit<'_> {
    /// Writes `fit.json`, a file `draws-1.csv` in CmdStan's format for each chain, `draws.json.zip` and
    /// `unconstrained.json.zip` in posteriordb's, `program.stan`, `trace.csv`, where a Gaussian was fitted
    /// `family.json`, where an engine ran `state.json`, and what CmdStan's sampler starts from into `folder`, which is
    /// made if it does not exist. An earlier fit's `fit.json` is removed first, what else this one has no like of last
    /// but for the own `fit.json`: a folder that has one holds one whole fit.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let Self { document, fit, target, program, cmdstan_chains } = self;
        files::remove(&folder.join(FIT_DOCUMENT))?;
        let mut written = Vec::new();
        let mut write = |name: &str, contents: &[u8]| {
            written.push(name.to_owned());
            files::write(&folder.join(name), contents)
        };
        for (name, text) in cmdstan_csv_files(document, fit, target) {
            write(&name, text.as_bytes())?;
        }
        for (name, archive) in posteriordb_files(fit, target)? {
            write(name, &archive)?;
        }
        write("program.stan", program.as_bytes())?;
        write("trace.csv", trace_csv(&fit.trace).as_bytes())?;
        if let Some(family) = &fit.approximation {
            let family = FamilyDocument::of(family, &target.unconstrained_names());
            write("family.json", (serde_json::to_string(&family)? + "\n").as_bytes())?;
        }
        if let Some(state) = &fit.state {
            write(STATE, &state.to_json()?)?;
        }
        for (name, value) in cmdstan_chains.map(|chains| cmdstan_init(fit, target, chains)).unwrap_or_default() {
            write(&name, (value.to_string() + "\n").as_bytes())?;
        }
        remove_stale(folder, &written, is_ours)?;
        files::write(&folder.join(FIT_DOCUMENT), (serde_json::to_string_pretty(document)? + "\n").as_bytes())
    }
}

/// Whether a saved fit may have a file of this name beside those that every one has.
fn is_ours(name: &str) -> bool {
    is_chain(name)
        || is_numbered(name, "inits_", ".json")
        || matches!(name, "family.json" | STATE | "metric_diag.json" | "metric_dense.json")
}

/// A trace as CSV, a line per iteration; errors stand there where the posterior has reference draws.
pub fn trace_csv(trace: &[TraceRow]) -> String {
    let mut text =
        String::from("iteration,gradient_evaluations,score_divergence,elbo,rejected,location_error,log_scale_error\n");
    for row in trace {
        let error = |pick: fn(&TraceErrors) -> f64| {
            row.errors.as_ref().map_or(String::new(), |errors| pick(errors).to_string())
        };
        text += &format!(
            "{},{},{},{},{},{},{}\n",
            row.iteration,
            row.gradient_evaluations,
            row.score_divergence,
            row.elbo,
            row.rejected,
            error(|errors| errors.location),
            error(|errors| errors.log_scale)
        );
    }
    text
}
