//! Studies of pBaM against its relatives, each from the same start with the same batches, budget and stop rule, ADVI
//! with the best learning rate and schedule of a grid. Tables in Markdown, and plots in docs/images:
//!
//!     cargo run --release --example pbam_study -- rank|poisson|cox|em

#[path = "study/curves.rs"]
mod curves;

use curves::{Curve, Labels, draw};
use ndarray::{Array1, Array2};
use ndarray_linalg as _;
use stanmatch::database::Database;
use stanmatch::engine::advi::AdviLowRank;
use stanmatch::engine::{
    Bam, Batch, DriverOptions, EmStart, Engine, Gsm, LEARNING_RATES, LearningRate, PBam, Patch, Schedule, run,
};
use stanmatch::gaussian::LowRankGaussian;
use stanmatch::init::{LocalGaussian, PathOptions, path};
use stanmatch::model::{CountingTarget, EvaluationError, LowRankTarget, Target};
use stanmatch::random::{fill_standard_normal, stream};
use stanmatch::toolchain::Choice;
use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

const BATCH: usize = 32;
/// Gradient evaluations, at most.
const BUDGET: u64 = 16_000;
/// Iterations over which all are smoothed, long enough for the small steps of ADVI.
const WINDOW: usize = 50;
/// Iterations that a point of a curve is the mean of.
const SMOOTHED: usize = 10;

/// What a run arrived at.
struct Run {
    gradients: u64,
    seconds: f64,
    /// The score divergence per dimension.
    divergence: f64,
    elbo: f64,
    /// Gradients and the batch's evidence lower bound at each iteration.
    course: Vec<(f64, f64)>,
}

/// Runs `engine` and judges what it arrived at by 1 000 fresh draws.
fn judged<E: Engine>(mut engine: E, target: &dyn Target, learning_rate: LearningRate) -> Run {
    let options = DriverOptions {
        batch: BATCH,
        max_iterations: usize::MAX,
        budget: Some(BUDGET),
        window: WINDOW,
        learning_rate,
        ..DriverOptions::default()
    };
    let counted = CountingTarget::new(target);
    let began = Instant::now();
    let mut course = Vec::new();
    let outcome = run(&mut engine, &counted, &options, &mut stream(1, 0), &mut |row| {
        course.push((row.gradient_evaluations as f64, row.elbo));
        ControlFlow::Continue(())
    })
    .expect("the targets are proper");
    let seconds = began.elapsed().as_secs_f64();
    let mut fresh = Batch::new(1000, target.dim());
    fresh.draw(&outcome.approximation, target, &mut stream(2, 0), false);
    Run {
        gradients: counted.counts().gradient_evaluations,
        seconds,
        divergence: fresh.score_divergence(),
        elbo: fresh.elbo(&outcome.approximation),
        course,
    }
}

/// ADVI with the best learning rate and schedule of the grid, each tried with the whole budget: the best there is to
/// get.
fn advi(start: LowRankGaussian, target: &dyn Target) -> Run {
    let schedules = [Schedule::Constant, Schedule::Linear, Schedule::Cosine];
    let grid = schedules.into_iter().flat_map(|schedule| LEARNING_RATES.map(|rate| (Some(rate), schedule)));
    grid.map(|(initial, schedule)| judged(AdviLowRank::new(start.clone()), target, LearningRate { initial, schedule }))
        .max_by(|a, b| a.elbo.total_cmp(&b.elbo))
        .expect("the grid has rates")
}

/// The truncation alone.
const TRUNCATION: Patch = Patch { start: EmStart::Truncation, max_steps: 0, tolerance: 0.0, relaxation: 1.0 };

/// All engines on `target` from `start`, pBaM with these ranks, ADVI with none and `rank`: a table, and a plot in
/// `file` of how far the evidence lower bound is from `best`, or from the best of all.
fn compare(
    target: &dyn Target,
    start: &LocalGaussian,
    (ranks, rank): (&[usize], usize),
    (title, file, best): (&str, &str, Option<f64>),
) -> Result<(), Box<dyn Error>> {
    let low_rank = |rank| start.clone().low_rank(rank, &mut stream(5, 0));
    let constant = LearningRate::default();
    let mut runs: Vec<(String, Run)> = Vec::new();
    println!("\n| {title} | gradients | seconds | score divergence per dimension | ELBO |\n|---|---|---|---|---|");
    let mut add = |label: String, run: Run| {
        println!("| {label} | {} | {:.2} | {:.2e} | {:.3} |", run.gradients, run.seconds, run.divergence, run.elbo);
        runs.push((label, run));
    };
    for &rank in ranks {
        add(format!("pBaM, K = {rank}"), judged(PBam::new(low_rank(rank), Patch::default()), target, constant));
    }
    add(format!("pBaM, K = {rank}, truncation"), judged(PBam::new(low_rank(rank), TRUNCATION), target, constant));
    add("BaM".into(), judged(Bam::new(start.clone().dense()), target, constant));
    add("GSM".into(), judged(Gsm::new(start.clone().dense()), target, constant));
    add("ADVI, mean-field".into(), advi(low_rank(0), target));
    add(format!("ADVI, K = {rank}"), advi(low_rank(rank), target));

    let best = best.unwrap_or_else(|| runs.iter().map(|(_, run)| run.elbo).fold(f64::NEG_INFINITY, f64::max));
    let curve = |(name, run): (String, Run)| {
        let mean = |points: &[(f64, f64)]| points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64;
        let points = run.course.chunks(SMOOTHED).map(|points| (points[points.len() - 1].0, best - mean(points)));
        Curve { name, points: points.collect() }
    };
    let labels = Labels { title, x: "gradient evaluations", y: "ELBO below the best" };
    draw(file, &labels, &runs.into_iter().map(curve).collect::<Vec<_>>(), 0.01)
}

/// The rank against the target's, and both patches. The target is normalised: −ELBO is KL(q‖p).
fn ranks() -> Result<(), Box<dyn Error>> {
    let target = LowRankTarget::random(512, 32, &mut stream(3, 0));
    let title = "Gaussian of rank 32, D = 512";
    let start = LocalGaussian::unit(vec![0.0; 512]);
    compare(&target, &start, (&[0, 8, 16, 32, 64], 32), (title, "pbam-rank.svg", Some(0.0)))
}

/// The tolerance and the over-relaxation of EM.
fn em_options() {
    let target = LowRankTarget::random(512, 32, &mut stream(3, 0));
    let start = LocalGaussian::unit(vec![0.0; 512]).low_rank(32, &mut stream(5, 0));
    println!(
        "\n| start of EM, tolerance, η, steps, at most | gradients | seconds | score divergence | ELBO |\n|---|---|---|---|---|"
    );
    for start_of_em in [EmStart::Truncation, EmStart::Warm] {
        for (tolerance, relaxation, max_steps) in [
            (0.0, 1.0, 0),
            (0.0, 1.0, 1),
            (1e-1, 1.5, 20),
            (1e-2, 1.0, 20),
            (1e-2, 1.5, 20),
            (1e-3, 1.0, 20),
            (1e-3, 1.5, 20),
            (1e-3, 1.8, 20),
            (1e-4, 1.5, 100),
        ] {
            if (start_of_em, max_steps) == (EmStart::Warm, 0) {
                continue;
            }
            let patch = Patch { start: start_of_em, max_steps, tolerance, relaxation };
            let run = judged(PBam::new(start.clone(), patch), &target, LearningRate::default());
            println!(
                "| {start_of_em:?}, {tolerance:e}, {relaxation}, {max_steps} | {} | {:.2} | {:.2e} | {:.3} |",
                run.gradients, run.seconds, run.divergence, run.elbo
            );
        }
    }
}

/// Counts with a log-linear mean: 100 standard normal coefficients, 500 observations.
struct Poisson {
    design: Array2<f64>,
    counts: Array1<f64>,
}

impl Poisson {
    fn new() -> Self {
        use rand_distr::{Distribution, Poisson as Counts};
        let mut rng = stream(11, 0);
        let (mut design, mut truth) = (Array2::zeros((500, 100)), Array1::zeros(100));
        fill_standard_normal(&mut rng, design.as_slice_mut().expect("a fresh array is contiguous"));
        fill_standard_normal(&mut rng, truth.as_slice_mut().expect("a fresh array is contiguous"));
        design *= 0.1;
        let counts =
            design.dot(&truth).mapv(|eta: f64| Counts::new(eta.exp()).expect("a positive mean").sample(&mut rng));
        Self { design, counts }
    }
}

impl Target for Poisson {
    fn dim(&self) -> usize {
        self.design.ncols()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let x = Array1::from(x.to_vec());
        let eta = self.design.dot(&x);
        let residual = &self.counts - &eta.mapv(f64::exp);
        let gradient = self.design.t().dot(&residual) - &x;
        score.iter_mut().zip(gradient).for_each(|(s, g)| *s = g);
        let value = self.counts.dot(&eta) - eta.mapv(f64::exp).sum() - 0.5 * x.dot(&x);
        if value.is_finite() { Ok(value) } else { Err(EvaluationError::NotFinite) }
    }
}

fn poisson() -> Result<(), Box<dyn Error>> {
    let start = LocalGaussian::unit(vec![0.0; 100]);
    compare(&Poisson::new(), &start, (&[0, 10, 32], 32), ("Poisson regression, D = 100", "pbam-poisson.svg", None))
}

/// The embedded log-Gaussian Cox process, from the init `path`.
fn cox() -> Result<(), Box<dyn Error>> {
    let posterior = Database::open(None, None)?.posterior("simulated_events-log_gaussian_cox")?;
    let target = Choice::Auto.load(&posterior.program()?, &posterior.data()?, 1, &|_| ())?.model;
    let (start, elbo) = path(&target, &PathOptions::default(), 1)?;
    println!("ELBO of the start: {elbo:.1}");
    let title = format!("log-Gaussian Cox process, D = {}", target.dim());
    compare(&target, &start, (&[0, 8, 32], 32), (&title, "pbam-cox.svg", None))
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("rank") => ranks(),
        Some("em") => {
            em_options();
            Ok(())
        }
        Some("poisson") => poisson(),
        Some("cox") => cox(),
        _ => Err("give the study: rank, poisson, cox or em".into()),
    }
}
