//! GSM, BaM and ADVI on targets with known answers, each from the standard normal, with the same batches, budget and
//! stop rule, ADVI with the best learning rate and schedule of a grid. Tables in Markdown, and plots in docs/images:
//!
//!     cargo run --release --example synthetic_study [-- gaussians|skew|tails]

#[path = "study/curves.rs"]
mod curves;

use curves::{Curve, Labels, draw};
use ndarray::{Array1, Array2, array, s};
use ndarray_linalg as _;
use stanmatch::engine::advi::{AdviFullRank, AdviLowRank};
use stanmatch::engine::{
    Bam, Batch, DriverOptions, Engine, Gsm, LEARNING_RATES, LearningRate, Schedule, TraceRow, run,
};
use stanmatch::gaussian::{DenseGaussian, GaussianApproximation, LowRankGaussian};
use stanmatch::model::{Banana, CountingTarget, Gaussian, Mixture, SinhArcsinh, StudentT, Target};
use stanmatch::random::stream;
use std::ops::ControlFlow;

/// Gradient evaluations, at most.
const BUDGET: u64 = 20_000;
const BATCH: usize = 16;
/// Iterations over which all are smoothed, long enough for the small steps of ADVI.
const WINDOW: usize = 50;
const ENGINES: [&str; 5] = ["GSM", "BaM", "BaM, λ = BD/(t+1)", "ADVI full-rank", "ADVI mean-field"];

/// What a run arrived at.
struct Result {
    gradients: u64,
    /// The evidence lower bound: of a Gaussian target in closed form, else of 2 000 fresh draws. Where the target is
    /// normalised it is minus the Kullback-Leibler divergence KL(q ‖ p).
    elbo: f64,
    /// The same draws' score divergence per dimension.
    divergence: f64,
    /// Gradients and the batch's evidence lower bound at each iteration.
    course: Vec<(f64, f64)>,
}

/// A target with what it is called.
struct Case {
    label: String,
    target: Box<dyn Target>,
    /// The target itself, where it is a Gaussian.
    gaussian: Option<Gaussian>,
    /// The file and the title of a plot.
    plot: Option<(&'static str, &'static str)>,
}

impl Case {
    fn new(label: impl Into<String>, target: impl Target + 'static) -> Self {
        Self { label: label.into(), target: Box::new(target), gaussian: None, plot: None }
    }
}

fn judged<E: Engine>(mut engine: E, case: &Case, learning_rate: LearningRate) -> Option<Result> {
    let target = case.target.as_ref();
    let counted = CountingTarget::new(target);
    let options = DriverOptions {
        batch: BATCH,
        max_iterations: usize::MAX,
        budget: Some(BUDGET),
        window: WINDOW,
        learning_rate,
        ..DriverOptions::default()
    };
    let mut course = Vec::new();
    let mut observe = |row: &TraceRow| {
        course.push((row.gradient_evaluations as f64, row.elbo));
        ControlFlow::Continue(())
    };
    let family = run(&mut engine, &counted, &options, &mut stream(1, 0), &mut observe).ok()?.approximation;
    let gradients = counted.counts().gradient_evaluations;
    let mut fresh = Batch::new(2000, family.dim());
    fresh.draw(&family, target, &mut stream(2, 0), false);
    let elbo = case.gaussian.as_ref().map_or_else(|| fresh.elbo(&family), |exact| -divergence(&family, exact));
    Some(Result { gradients, elbo, divergence: fresh.score_divergence(), course })
}

/// KL(q ‖ p) of two Gaussians: ½ (‖F_p⁻¹ F_q‖² + ‖F_p⁻¹ (μ_q − μ_p)‖² − D) + log |F_p| − log |F_q|.
fn divergence(family: &impl GaussianApproximation, exact: &Gaussian) -> f64 {
    let dim = family.dim();
    let exact = DenseGaussian::from_covariance(exact.mean().clone(), exact.covariance()).expect("it is a covariance");
    let mut points = Array2::zeros((dim + 1, dim));
    family.multiply(Array2::eye(dim).view(), points.slice_mut(s![..dim, ..]));
    points += &exact.mean();
    points.row_mut(dim).assign(&family.mean());
    // Rows of the identity give the columns of F_q, whose squares are summed all the same.
    let noise = exact.noise(points.view()).expect("it is a covariance");
    0.5 * (noise.iter().map(|e| e * e).sum::<f64>() - dim as f64) + exact.log_det_factor() - family.log_det_factor()
}

/// Of all learning rates and schedules, what arrives at the best evidence lower bound.
fn best<E: Engine + Clone>(engine: &E, case: &Case) -> Option<Result> {
    let schedules = [Schedule::Constant, Schedule::Linear, Schedule::Cosine];
    let grid = schedules.into_iter().flat_map(|schedule| LEARNING_RATES.map(|rate| (Some(rate), schedule)));
    let runs = grid.filter_map(|(initial, schedule)| judged(engine.clone(), case, LearningRate { initial, schedule }));
    runs.filter(|run| run.elbo.is_finite()).max_by(|a, b| a.elbo.total_cmp(&b.elbo))
}

fn all(case: &Case) -> [Option<Result>; 5] {
    let dim = case.target.dim();
    let start = DenseGaussian::standard(dim);
    let diagonal = LowRankGaussian::diagonal(Array1::zeros(dim), Array1::ones(dim)).expect("ones are positive");
    let constant = LearningRate::default();
    let inverse = LearningRate { schedule: Schedule::Inverse, ..constant };
    [
        judged(Gsm::new(start.clone()), case, constant),
        judged(Bam::new(start.clone()), case, constant),
        judged(Bam::new(start.clone()), case, inverse),
        best(&AdviFullRank::new(start), case),
        best(&AdviLowRank::new(diagonal), case),
    ]
}

/// A table whose cells are `shown` of each engine's result.
fn table(what: &str, cases: &[Case], shown: fn(&Result) -> String) {
    println!("\n| {what} | {} |", ENGINES.join(" | "));
    println!("|---|{}", "---|".repeat(ENGINES.len()));
    for case in cases {
        let results = all(case);
        if let Some(plot) = case.plot {
            plotted(plot, &results);
        }
        let cells = results.map(|result| result.as_ref().map_or("failed".to_owned(), shown));
        println!("| {} | {} |", case.label, cells.join(" | "));
    }
}

/// Iterations that a point of a curve is the mean of.
const SMOOTHED: usize = 5;

/// Plots how far the evidence lower bound is from 0, that of an exact fit.
fn plotted((file, title): (&str, &str), results: &[Option<Result>]) {
    let curve = |(name, result): (&str, &Option<Result>)| {
        let mean = |points: &[(f64, f64)]| points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64;
        let course = result.iter().flat_map(|result| result.course.chunks(SMOOTHED));
        let points = course.map(|points| (points[points.len() - 1].0, -mean(points)));
        Curve { name: name.to_owned(), points: points.collect() }
    };
    let curves: Vec<Curve> = ENGINES.into_iter().zip(results).map(curve).collect();
    let labels = Labels { title, x: "gradient evaluations", y: "KL(q ‖ p), estimated" };
    if let Err(error) = draw(file, &labels, &curves, 0.01) {
        eprintln!("{file} cannot be drawn: {error}");
    }
}

fn gradients_and_divergence(result: &Result) -> String {
    format!("{}: {:.1e}", result.gradients, -result.elbo)
}

fn gaussians() {
    let case = |label: String, dim, condition: f64| {
        let gaussian = Gaussian::with_condition_number(dim, condition, &mut stream(3, 0));
        Case { gaussian: Some(gaussian.clone()), ..Case::new(label, gaussian) }
    };
    let mut over_dim = [4, 16, 64, 128].map(|dim| case(dim.to_string(), dim, 10.0));
    over_dim[3].plot = Some(("gaussian-dimension.svg", "Gaussian, D = 128, condition number 10"));
    table("D (condition number 10); gradients: KL", &over_dim, gradients_and_divergence);
    let mut over_condition = [1.0, 1e2, 1e4, 1e6].map(|condition| case(format!("{condition:.0e}"), 16, condition));
    over_condition[2].plot = Some(("gaussian-condition.svg", "Gaussian, D = 16, condition number 10 000"));
    table("condition number (D = 16); gradients: KL", &over_condition, gradients_and_divergence);
}

fn skew() {
    let base = Gaussian::with_condition_number(10, 5.0, &mut stream(4, 0));
    let base = Gaussian::new(Array1::zeros(10), base.covariance().clone());
    let mut cases = [(0.2, 1.0), (1.0, 1.0), (1.8, 1.0), (0.0, 0.7), (0.0, 1.3)]
        .map(|(skew, tail)| Case::new(format!("{skew}, {tail}"), SinhArcsinh { skew, tail, base: base.clone() }));
    cases[1].plot = Some(("sinh-arcsinh.svg", "Sinh-arcsinh, D = 10, skew 1"));
    table("skew, tail weight (D = 10); gradients: KL", &cases, gradients_and_divergence);
}

fn tails() {
    let shape = Gaussian::with_condition_number(10, 10.0, &mut stream(5, 0));
    let component = |mean: f64| Gaussian::new(Array1::from_elem(10, mean), Array2::eye(10));
    let across = |covariance: f64| Gaussian::new(array![0.0, 0.0], array![[2.0, covariance], [covariance, 2.0]]);
    let cases = [
        Case::new("Student-t, ν = 3, D = 10", StudentT { degrees: 3.0, shape }),
        Case::new("two modes 2 sd apart, D = 10", Mixture(vec![component(-0.3), component(0.3)])),
        Case::new("two modes 4 sd apart, D = 10", Mixture(vec![component(-0.6), component(0.6)])),
        Case::new("X-shape, D = 2", Mixture(vec![across(1.8), across(-1.8)])),
        Case::new("banana, D = 2", Banana),
    ];
    table("target; gradients: score divergence, ELBO", &cases, |result| {
        format!("{}: {:.2}, {:.2}", result.gradients, result.divergence, result.elbo)
    });
}

fn main() {
    let only = std::env::args().nth(1);
    for (name, study) in [("gaussians", gaussians as fn()), ("skew", skew), ("tails", tails)] {
        if only.as_deref().is_none_or(|only| only == name) {
            study();
        }
    }
}
