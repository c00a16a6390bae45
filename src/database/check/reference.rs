//! Whether reference draws are whole, and as their description and the posterior's dimensions say.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Findings;
use crate::database::Posterior;
use crate::database::posterior::{reference_info_path, reference_paths};
use crate::draws::{Reference, stan_name, variable};

/// The diagnostics with an element for each quantity.
const BY_QUANTITY: [&str; 4] = ["effective_sample_size_bulk", "effective_sample_size_tail", "r_hat", "mean_lag1_ac"];
/// The diagnostics with an element for each chain.
const BY_CHAIN: [&str; 2] = ["divergent_transitions", "expected_fraction_of_missing_information"];

impl Posterior {
    /// The reference draws, if there are any that can be used.
    pub(super) fn check_reference(&self, findings: &mut Findings) -> Option<Reference> {
        let name = self.reference_name.as_ref()?;
        let info_path = reference_info_path(name);
        let has_info = self.files.contain(&info_path);
        if !self.has_reference() {
            let [zipped, _] = reference_paths(name).map(|path| self.files.shown(&path));
            if has_info {
                findings
                    .problem(format!("{} describes draws that are missing: {zipped}", self.files.shown(&info_path)));
            } else {
                findings.note(format!("the reference `{name}` is not in the database: {zipped} is missing"));
            }
            return None;
        }
        let info = self.description(&info_path, name, findings);
        let reference = findings.noted(self.required_reference())?;
        if let Some(info) = info {
            let file = self.files.shown(&info_path);
            check_description(&info, &reference, &file, findings);
        }
        self.check_dimensions(&reference, findings);
        let values = reference.draws.values();
        let columns = reference.draws.names().iter().zip(values.columns());
        let still = columns.filter(|(_, values)| values.iter().all(|value| *value == values[0]));
        let still: Vec<&str> = still.map(|(name, _)| name.as_str()).collect();
        if !still.is_empty() {
            findings.note(format!("the reference draws of {} are all the same", still.join(", ")));
        }
        Some(reference)
    }

    /// Holds the sizes in the posterior's description against the quantities of its reference.
    fn check_dimensions(&self, reference: &Reference, findings: &mut Findings) {
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        quantities(reference).for_each(|name| *sizes.entry(variable(name)).or_default() += 1);
        for (quantity, size) in &self.dimensions {
            let found = sizes.get(quantity.as_str()).copied().unwrap_or_default();
            if found != *size {
                findings.problem(format!(
                    "the posterior's `dimensions` give `{quantity}` the size {size}, but the reference `{}` holds \
                     {found} of it",
                    reference.name
                ));
            }
        }
    }
}

/// The names of a reference's quantities, with draws or without.
pub(super) fn quantities(reference: &Reference) -> impl Iterator<Item = &str> {
    reference.draws.names().iter().chain(&reference.info.summaries.names).map(String::as_str)
}

/// Compares a reference's description with its draws. Posteriordb's descriptions may lack diagnostics or give one
/// number for all quantities; what they give must fit.
fn check_description(info: &Value, reference: &Reference, file: &str, findings: &mut Findings) {
    let null = Value::Null;
    let diagnostics = info.get("diagnostics").unwrap_or(&null);
    let draws = &reference.draws;
    for (key, actual) in [("ndraws", draws.len()), ("nchains", draws.chain_lengths().len())] {
        if let Some(said) = diagnostics.get(key).and_then(Value::as_u64).filter(|&said| said != actual as u64) {
            findings.problem(format!("{file} gives {key} as {said}, but it is {actual}"));
        }
    }
    let names = match diagnostics.pointer("/diagnostic_information/names") {
        Some(Value::String(name)) => vec![stan_name(name)],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(stan_name).collect(),
        _ => Vec::new(),
    };
    if !names.is_empty() {
        let (said, actual): (HashSet<&str>, HashSet<&str>) =
            (names.iter().map(String::as_str).collect(), draws.names().iter().map(String::as_str).collect());
        let mut odd: Vec<&str> = said.symmetric_difference(&actual).copied().collect();
        odd.sort_unstable();
        if let Some(name) = odd.first() {
            let has = if said.contains(name) { "no draws of it" } else { "draws of it" };
            findings.problem(format!(
                "{file}: the names in `diagnostic_information` differ from those of the draws: there are {has}: {name}"
            ));
        }
    }
    let lists = BY_QUANTITY.map(|key| (key, draws.names().len(), "quantities"));
    let chains = BY_CHAIN.map(|key| (key, draws.chain_lengths().len(), "chains"));
    for (key, expected, of) in lists.into_iter().chain(chains) {
        let Some(Value::Array(values)) = diagnostics.get(key) else { continue };
        if !values.is_empty() && values.len() != expected {
            findings.problem(format!("{file} has {} elements in `{key}` for {expected} {of}", values.len()));
        }
    }
    let checks = info.get("checks_made").and_then(Value::as_object);
    let failed: Vec<&str> = checks
        .into_iter()
        .flatten()
        .filter(|(_, held)| **held == Value::Bool(false))
        .map(|(key, _)| key.as_str())
        .collect();
    if !failed.is_empty() {
        findings.note(format!("{file} says that these checks failed: {}", failed.join(", ")));
    }
}
