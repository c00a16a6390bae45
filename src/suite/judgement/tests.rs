//! Whole runs with noise whose truth is known.

use super::*;
use crate::document::{Expectation, Failure, FailureKind, JobRecord, ParameterRecord, Status};
use crate::random::{Rng, stream};
use crate::suite::{FALSE_ALARM_RATE, run_header};
use rand_distr::{Distribution, StandardNormal};

const CELLS: usize = 20;
const QUANTITIES: usize = 10;
/// Over seeds, of every error.
const SD: f64 = 0.02;

fn normal(rng: &mut Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn job(cell: usize, seed: u64, parameters: Vec<ParameterRecord>) -> JobRecord {
    JobRecord {
        posterior: format!("posterior-{cell:02}"),
        configuration: "bam".to_owned(),
        seed,
        status: Status::Ok,
        failure: None,
        within: Some(true),
        expect: Expectation::Within,
        dim: Some(3),
        gradient_evaluations: Some(1500),
        density_evaluations: Some(4000),
        pareto_k: Some(0.3),
        max_location_error: Some(0.03),
        max_log_scale_error: Some(0.03),
        max_w1: Some(0.03),
        referenced: true,
        parameters,
        messages: Vec::new(),
        seconds: Some(0.1),
        wall_seconds: 0.2,
    }
}

/// A run whose errors have noise of standard deviation `SD`, half of it common to the quantities of a job.
fn run(seeds: u64, rng: &mut Rng) -> Run {
    let mut records = Vec::new();
    for cell in 0..CELLS {
        for seed in 1..=seeds {
            let common = normal(rng);
            let mut error = || Some(0.01 + SD * 0.5_f64.sqrt() * (common + normal(rng)));
            let parameters = (0..QUANTITIES).map(|index| ParameterRecord {
                name: format!("theta[{index}]"),
                location: error(),
                log_scale: error(),
                mcse: Some(0.01),
                log_scale_mcse: Some(8000.0_f64.sqrt().recip()),
                ess: Some(4000.0),
            });
            let parameters = parameters.collect();
            let spread = (0.05 * normal(rng)).exp();
            records.push(JobRecord {
                gradient_evaluations: Some((1500.0 * spread) as u64),
                ..job(cell, seed, parameters)
            });
        }
    }
    Run { header: run_header("simulated", String::new(), CELLS, (1..=seeds).collect()), records }
}

/// The verdict of cell 3, after its jobs were changed.
fn verdict_after(rng: &mut Rng, baseline: &Baseline, change: impl Fn(&mut JobRecord)) -> BaselineVerdict {
    let mut run = run(8, rng);
    run.records.iter_mut().filter(|it| it.posterior == "posterior-03").for_each(change);
    let judgement = Judgement::new(&run, Some(baseline));
    judgement.cells.iter().find(|cell| cell.posterior == "posterior-03").unwrap().verdict
}

#[test]
fn a_thousand_sound_runs_raise_no_alarm() {
    let mut rng = stream(1, 0);
    let mut alarms = 0;
    for _ in 0..20 {
        let baseline = Baseline::of(&run(40, &mut rng));
        for _ in 0..50 {
            alarms += usize::from(Judgement::new(&run(8, &mut rng), Some(&baseline)).has_regressed());
        }
    }
    assert_eq!(alarms, 0);
}

#[test]
fn what_a_run_says_that_it_sees_it_sees() {
    let mut rng = stream(2, 0);
    let mut seen = [0; 3];
    for _ in 0..400 {
        let baseline = Baseline::of(&run(40, &mut rng));
        let sensitivity = Judgement::new(&run(8, &mut rng), Some(&baseline)).sensitivity.unwrap();
        assert_eq!(sensitivity.comparisons, CELLS * (2 * QUANTITIES + 1));
        assert!(sensitivity.distribution_free_bound <= FALSE_ALARM_RATE);
        let (location, log_scale) = (sensitivity.location.unwrap(), sensitivity.log_scale.unwrap());
        assert!((0.05..0.09).contains(&location) && (0.05..0.09).contains(&log_scale), "{sensitivity:?}");
        let factor = sensitivity.gradient_factor.unwrap();
        let changed: [&dyn Fn(&mut JobRecord); 3] = [
            &|it| it.parameters[4].location = it.parameters[4].location.map(|error| error + location),
            &|it| it.parameters[4].log_scale = it.parameters[4].log_scale.map(|error| error + log_scale),
            &|it| it.gradient_evaluations = it.gradient_evaluations.map(|count| (count as f64 * factor) as u64),
        ];
        for (seen, change) in seen.iter_mut().zip(changed) {
            *seen += usize::from(verdict_after(&mut rng, &baseline, change) == BaselineVerdict::Regressed);
        }
    }
    // Nine in ten; 400 repeats have a standard deviation of 6, and the median over cells is not each cell's own.
    assert!(seen.iter().all(|seen| (336..=384).contains(seen)), "{seen:?}");
}

#[test]
fn statuses_are_judged_by_how_many_jobs_change() {
    let mut rng = stream(3, 0);
    let baseline = Baseline::of(&run(40, &mut rng));
    let fails = |it: &mut JobRecord| {
        it.status = Status::Failed;
        it.failure = Some(Failure { kind: FailureKind::Signal, message: "ended by SIGSEGV".to_owned() });
        it.parameters.clear();
        (it.within, it.gradient_evaluations) = (None, None);
    };
    let mut after = |change: &dyn Fn(&mut JobRecord)| verdict_after(&mut rng, &baseline, change);
    let up_to = |count: u64, it: &JobRecord| it.seed <= count;
    assert_eq!(after(&|_| {}), BaselineVerdict::Passed);
    assert_eq!(
        after(&|it| if up_to(1, it) {
            fails(it)
        }),
        BaselineVerdict::Passed
    );
    assert_eq!(
        after(&|it| if up_to(3, it) {
            fails(it)
        }),
        BaselineVerdict::NewlyFailing
    );
    assert_eq!(
        after(&|it| if up_to(3, it) {
            it.status = Status::Flagged
        }),
        BaselineVerdict::Passed
    );
    assert_eq!(
        after(&|it| if up_to(7, it) {
            it.status = Status::Flagged
        }),
        BaselineVerdict::NewlyFlagged
    );
    assert_eq!(
        after(&|it| if up_to(1, it) {
            it.within = Some(false)
        }),
        BaselineVerdict::Passed
    );
    assert_eq!(after(&|it| it.within = Some(false)), BaselineVerdict::Unexpected);
    let outside = |it: &mut JobRecord| (it.within, it.expect) = (Some(false), Expectation::Any);
    assert_eq!(after(&outside), BaselineVerdict::Regressed);
    let better = |it: &mut JobRecord| it.gradient_evaluations = Some(700);
    assert_eq!(after(&better), BaselineVerdict::Improved);
}

#[test]
fn errors_are_not_compared_with_means() {
    let mut rng = stream(5, 0);
    let referenced = run(20, &mut rng);
    let mut unreferenced = referenced.clone();
    for it in &mut unreferenced.records {
        (it.referenced, it.within) = (false, None);
        it.parameters
            .iter_mut()
            .for_each(|parameter| parameter.location = parameter.location.map(|error| 50.0 + error));
    }
    for (before, after, part) in [(&referenced, &unreferenced, "lost its"), (&unreferenced, &referenced, "gained a")] {
        let judgement = Judgement::new(after, Some(&Baseline::of(before)));
        let cell = &judgement.cells[0];
        assert!(cell.verdict == BaselineVerdict::New && cell.reasons[0].contains(part), "{cell:?}");
        assert_eq!(judgement.sensitivity.unwrap().comparisons, CELLS);
    }
}

#[test]
fn a_run_has_not_regressed_from_itself_wherever_its_numbers_lie() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baseline.jsonl");
    let mut far = run(20, &mut stream(6, 0));
    for (index, it) in far.records.iter_mut().enumerate() {
        (it.referenced, it.within) = (false, None);
        for parameter in &mut it.parameters {
            parameter.location = parameter.location.map(|error| 2000.1234567 + 1e-3 * error);
            (parameter.log_scale, parameter.mcse) = (Some(-7.123456789 + 1e-9 * (index % 20) as f64), Some(1e-6));
            parameter.log_scale_mcse = None;
        }
    }
    Baseline::of(&far).write(&path).unwrap();
    let judgement = Judgement::new(&far, Some(&Baseline::read(&path).unwrap()));
    assert!(!judgement.has_regressed(), "{:?}", judgement.cells[0]);
}

#[test]
fn infinite_errors_are_large_and_not_nothing() {
    let mut it = run(3, &mut stream(7, 0));
    for record in it.records.iter_mut().filter(|record| record.seed < 3) {
        (record.max_location_error, record.within, record.expect) = (None, Some(false), Expectation::Any);
    }
    let judgement = Judgement::new(&it, None);
    assert_eq!(judgement.cells[0].location_error, Some(f64::INFINITY));
    assert_eq!(judgement.cells[0].log_scale_error, Some(0.03));
    let page = super::super::suite_page(&[it], &judgement, &BTreeMap::new()).unwrap();
    assert!(page.contains("of each of 60 jobs") && page.contains("40 are infinite, and at the upper edge"), "{page}");
}

#[test]
fn a_run_without_references_has_no_share_within_tolerance() {
    let with = run(2, &mut stream(8, 0));
    let mut without = with.clone();
    without.records.iter_mut().for_each(|it| (it.within, it.referenced) = (None, false));
    let dots = |runs: &[Run]| {
        let page = super::super::suite_page(runs, &Judgement::new(&with, None), &BTreeMap::new()).unwrap();
        page.split("Shares of jobs").last().unwrap().split("</svg>").next().unwrap().matches("<circle").count()
    };
    assert_eq!((dots(&[with.clone(), with.clone()]), dots(&[with.clone(), without.clone(), with.clone()])), (2, 2));
}

#[test]
fn the_rate_of_false_alarms_is_the_one_that_is_kept() {
    let mut rng = stream(9, 0);
    let baseline = Baseline::of(&run(40, &mut rng));
    let mut rate = |seeds| {
        let judgement = Judgement::new(&run(seeds, &mut rng), Some(&baseline));
        (judgement.sensitivity.as_ref().unwrap().false_alarm_rate, super::super::summary(&judgement))
    };
    let cells = CELLS as f64;
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
    let (kept, said) = rate(8);
    assert!(
        close(kept, FALSE_ALARM_RATE) && said.contains("at most one run in 10000 has a false alarm."),
        "{kept} {said}"
    );
    assert!(close(rate(3).0, FALSE_ALARM_RATE));
    // Half for numbers, a sixth for the two tests of statuses that count; failures and expectations as often as a job
    // fails.
    let (kept, said) = rate(1);
    assert!(close(kept, FALSE_ALARM_RATE * (1.0 / 2.0 + 1.0 / 6.0) + 2.0 * cells * 1e-3), "{kept}");
    assert!(said.contains("at most one run in 25 has a false alarm."), "{said}");
}

#[test]
fn a_baseline_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baseline.jsonl");
    let baseline = Baseline::of(&run(4, &mut stream(4, 0)));
    baseline.write(&path).unwrap();
    assert_eq!(Baseline::read(&path).unwrap(), baseline);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1 + CELLS * (1 + QUANTITIES));
    std::fs::write(&path, text.replacen("\"jobs\"", "\"jabs\"", 1)).unwrap();
    assert!(Baseline::read(&path).unwrap_err().to_string().contains("line 2 is not a line of a baseline"));
}

#[test]
fn a_baseline_that_contradicts_itself_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baseline.jsonl");
    Baseline::of(&run(4, &mut stream(4, 0))).write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let refused = |changed: &str, (line, part): (usize, &str)| {
        assert_ne!(changed, text);
        std::fs::write(&path, changed).unwrap();
        let error = Baseline::read(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line} is not a line")) && error.contains(part), "{error}");
    };
    let counts = "contradict each other";
    refused(&text.replacen("\"jobs\":4", "\"jobs\":0", 1), (2, counts));
    refused(&text.replacen("\"failed\":0", "\"failed\":5", 1), (2, counts));
    refused(&text.replacen("\"outside\":0", "\"outside\":5", 1), (2, counts));
    refused(&text.replacen(lines[2], &lines[2].replacen("\"jobs\":4", "\"jobs\":5", 1), 1), (3, counts));
    refused(&text.replacen(lines[2], &lines[2].replacen("\"sd\":", "\"sd\":-", 1), 1), (3, "negative"));
    refused(&format!("{text}{}\n", lines[1]), (lines.len() + 1, "this case is already in the file"));
    refused(&format!("{text}{}\n", lines[2]), (lines.len() + 1, "already in the file"));
}
