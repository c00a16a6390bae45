//! A judgement as JUnit XML, which continuous integration systems read: a test case per cell.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{BaselineVerdict, CellVerdict, Judgement};

/// The judgement as JUnit XML.
///
/// # Errors
/// When a text cannot stand in XML.
pub fn junit(judgement: &Judgement) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(judgement.suite.clone());
    suite.add_test_cases(judgement.cells.iter().map(test_case));
    let mut report = Report::new("stanmatch");
    report.add_test_suite(suite);
    report.to_string()
}

fn test_case(cell: &CellVerdict) -> TestCase {
    let mut status = match cell.verdict {
        BaselineVerdict::Missing => TestCaseStatus::skipped(),
        verdict if verdict.is_regression() => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::success(),
    };
    let reasons = cell.reasons.join("\n");
    if cell.verdict.is_regression() || cell.verdict == BaselineVerdict::Missing {
        status.set_message(reasons).set_type(cell.verdict.name());
    }
    let mut case = TestCase::new(cell.configuration.clone(), status);
    case.set_classname(cell.posterior.clone());
    let seconds = cell.seconds.unwrap_or(0.0) * cell.jobs as f64;
    case.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    case
}
