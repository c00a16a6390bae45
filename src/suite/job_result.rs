//! What is kept of one job: a line of a run file, made from the document of its fit.

use std::collections::HashMap;

use super::{Cell, Job, Source, Tolerance};
use crate::diagnostics::{log_interval_error, log_sd_error, median_error};
use crate::document::{
    ComparedParameter, ComparisonDocument, Failure, FailureKind, FitDocument, FitParameter, JobRecord, ParameterRecord,
    Status,
};

/// The record of a job without a fit.
pub(super) fn failed(cell: &Cell, job: Job, kind: FailureKind, message: String) -> JobRecord {
    JobRecord {
        posterior: cell.posterior.clone(),
        configuration: cell.configuration.clone(),
        seed: job.seed,
        status: Status::Failed,
        failure: Some(Failure { kind, message }),
        within: None,
        expect: cell.expect,
        dim: None,
        gradient_evaluations: None,
        density_evaluations: None,
        pareto_k: None,
        max_location_error: None,
        max_log_scale_error: None,
        max_w1: None,
        referenced: false,
        parameters: Vec::new(),
        messages: Vec::new(),
        seconds: None,
        wall_seconds: 0.0,
    }
}

/// The record of a job whose worker printed `document`.
pub(super) fn of_document(cell: &Cell, job: Job, document: FitDocument) -> JobRecord {
    let without_fit = |message| failed(cell, job, FailureKind::Fit, message);
    if document.status == Status::Failed {
        let reason = document.messages.join("; ");
        return without_fit(if reason.is_empty() { "the fit gave no reason".to_owned() } else { reason });
    }
    let comparison = document.comparison.as_ref();
    let has_reference = matches!(&cell.source, Source::Database(posterior) if posterior.has_reference());
    JobRecord {
        status: document.status,
        failure: None,
        within: (comparison.is_some() || has_reference)
            .then(|| comparison.is_some_and(|it| is_within(it, &cell.tolerance))),
        dim: document.dim,
        gradient_evaluations: document.gradient_evaluations,
        density_evaluations: document.density_evaluations,
        pareto_k: document.pareto_k,
        max_location_error: comparison.and_then(|it| it.max_location_error),
        max_log_scale_error: comparison.and_then(|it| it.max_log_scale_error),
        max_w1: comparison.and_then(|it| it.max_w1),
        referenced: comparison.is_some(),
        parameters: parameters(&document, has_reference),
        messages: document.messages,
        seconds: document.seconds,
        ..without_fit(String::new())
    }
}

/// An error that is null is not finite, and within no tolerance.
fn is_within(comparison: &ComparisonDocument, tolerance: &Tolerance) -> bool {
    let at_most = |error: Option<f64>, limit: f64| error.is_some_and(|error| error <= limit);
    at_most(comparison.max_location_error, tolerance.location)
        && at_most(comparison.max_log_scale_error, tolerance.log_scale)
        && tolerance.w1.is_none_or(|limit| at_most(comparison.max_w1, limit))
}

/// In units of the reference where the fit is compared with one. Where it has one and is not, their units would be
/// unclear, and there are none.
fn parameters(document: &FitDocument, has_reference: bool) -> Vec<ParameterRecord> {
    let summaries = || document.parameters.iter().flatten();
    match &document.comparison {
        Some(comparison) => {
            let known: HashMap<&str, &FitParameter> = summaries().map(|it| (it.name.as_str(), it)).collect();
            let parameters = comparison.parameters.iter();
            parameters.map(|it| referenced(it, known.get(it.name.as_str()).copied())).collect()
        }
        None if has_reference => Vec::new(),
        None => summaries().map(own).collect(),
    }
}

/// A quantity in its own units.
fn own(it: &FitParameter) -> ParameterRecord {
    ParameterRecord {
        name: it.name.clone(),
        location: it.mean,
        log_scale: it.sd.map(f64::ln).filter(|value| value.is_finite()),
        mcse: it.mcse,
        log_scale_mcse: it.ess.map(log_sd_error),
        ess: it.ess,
    }
}

/// A quantity in units of its reference, with what the fit says of it.
fn referenced(it: &ComparedParameter, summary: Option<&FitParameter>) -> ParameterRecord {
    let ess = summary.and_then(|summary| summary.ess);
    let unit = it.reference_scale.filter(|_| !it.constant);
    let in_units = |value: Option<f64>| Some(value? / unit?).filter(|value| value.is_finite());
    let mcse = if it.robust {
        ess.zip(it.scale).map(|(ess, scale)| median_error(ess) * scale)
    } else {
        summary.and_then(|summary| summary.mcse)
    };
    ParameterRecord {
        name: it.name.clone(),
        location: in_units(it.location.zip(it.reference_location).map(|(location, theirs)| location - theirs)),
        log_scale: in_units(it.scale).map(f64::ln).filter(|value| value.is_finite()),
        mcse: in_units(mcse),
        log_scale_mcse: ess.map(if it.robust { log_interval_error } else { log_sd_error }),
        ess,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;
    use crate::database::Database;
    use crate::document::{Expectation, FIT_SCHEMA};
    use crate::fit::FitArguments;
    use serde_json::{Value, json};

    /// A cell of an embedded posterior with or without reference draws.
    fn cell(posterior: &str) -> Cell {
        Cell {
            posterior: posterior.to_owned(),
            configuration: "bam".to_owned(),
            source: Source::Database(Box::new(Database::open(None, None).unwrap().posterior(posterior).unwrap())),
            fit: FitArguments::default(),
            limits: Limits::default(),
            tolerance: Tolerance::default(),
            expect: Expectation::Within,
        }
    }

    fn record(cell: &Cell, document: &Value) -> JobRecord {
        let document = serde_json::from_value(document.clone()).unwrap();
        of_document(cell, Job { cell: 0, seed: 1 }, document)
    }

    #[test]
    fn a_fit_that_could_not_be_compared_is_not_within_tolerance() {
        let document = json!({
            "schema": FIT_SCHEMA, "status": "ok", "comparison": null, "messages": ["there is no comparison"],
            "parameters": [{"name": "mu", "mean": 1.0, "sd": 2.0, "mcse": 0.1, "ess": 400.0}],
        });
        let compared = record(&cell("eight_schools"), &document);
        assert_eq!((compared.within, compared.is_as_expected(), compared.parameters.len()), (Some(false), false, 0));
        let mut own = cell("eight_schools");
        own.source = Source::Files { program: "mine.stan".into(), data: None };
        let own = record(&own, &document);
        assert_eq!((own.within, own.is_as_expected(), own.parameters.len()), (None, true, 1));
    }

    #[test]
    fn a_constant_has_no_number_over_seeds() {
        let compared = |constant: bool| {
            let it = json!({
                "name": "L[1,1]", "constant": constant, "location": 1.0, "scale": 2e-17, "reference_location": 1.0,
                "reference_scale": 3e-17,
            });
            let document = json!({"schema": FIT_SCHEMA, "status": "ok", "comparison": {"reference": "theirs", "parameters": [it]}});
            record(&cell("eight_schools"), &document).parameters.remove(0)
        };
        let constant = compared(true);
        assert_eq!((constant.location, constant.log_scale), (None, None));
        assert!(compared(false).location == Some(0.0));
    }

    #[test]
    fn medians_and_intervals_have_their_own_noise() {
        let compared = |robust: bool| {
            let it = json!({
                "name": "x", "robust": robust, "location": 1.0, "scale": 3.0, "reference_location": 1.0, "reference_scale": 2.0,
            });
            let document = json!({
                "schema": FIT_SCHEMA, "status": "ok", "comparison": {"reference": "theirs", "parameters": [it]},
                "parameters": [{"name": "x", "mean": 1e6, "sd": 1e9, "mcse": 1e7, "ess": 2500.0}],
            });
            let it = record(&cell("eight_schools"), &document).parameters.remove(0);
            (it.mcse.unwrap(), it.log_scale_mcse.unwrap())
        };
        let (median, interval) = compared(true);
        assert!((median - 1.2533 / 50.0 * 1.5).abs() < 1e-12 && (interval - 0.964 / 50.0).abs() < 1e-12);
        let (mean, sd) = compared(false);
        assert!((mean - 5e6).abs() < 1.0 && (sd - 1.0 / 5000.0_f64.sqrt()).abs() < 1e-12);
    }
}
