//! Studies of pBaM on targets with known answers, as tables in Markdown: `cargo run --release --example pbam_study NAME`,
//! where NAME is `rank`, `em` or `poisson`.

use ndarray::{Array1, Array2};
use ndarray_linalg as _;
use stanmatch::engine::advi::{AdviLowRank, LEARNING_RATES};
use stanmatch::engine::{Bam, Batch, DriverOptions, EmStart, Engine, LearningRate, PBam, Patch, run};
use stanmatch::family::DenseGaussian;
use stanmatch::init::LocalGaussian;
use stanmatch::random::{fill_standard_normal, stream};
use stanmatch::target::{Counted, LowRankTarget, Rejected, Target};
use std::time::Instant;

/// What a run arrived at.
struct Row {
    gradients: u64,
    seconds: f64,
    /// The score divergence per dimension.
    divergence: f64,
    elbo: f64,
}

/// Runs `engine` and judges what it arrived at by 1 000 fresh draws.
fn judged<E: Engine>(engine: E, target: &dyn Target, batch: usize, iterations: usize) -> Row {
    judged_with(engine, target, &DriverOptions { batch, max_iterations: iterations, ..DriverOptions::default() })
}

fn judged_with<E: Engine>(mut engine: E, target: &dyn Target, options: &DriverOptions) -> Row {
    let counted = Counted::new(target);
    let began = Instant::now();
    let outcome = run(&mut engine, &counted, options, &mut stream(1, 0), &mut |_| {}).expect("the targets are proper");
    let seconds = began.elapsed().as_secs_f64();
    let mut fresh = Batch::new(1000, target.dim());
    fresh.draw(&outcome.family, target, &mut stream(2, 0), false);
    Row {
        gradients: counted.counts().gradient_evaluations,
        seconds,
        divergence: fresh.score_divergence(),
        elbo: fresh.elbo(&outcome.family),
    }
}

/// ADVI with the best learning rate of its grid, each tried with the whole number of iterations: the best there is to get.
fn advi(dim: usize, rank: usize, target: &dyn Target, batch: usize, iterations: usize) -> Row {
    let run_with = |rate| {
        let learning_rate = LearningRate { initial: Some(rate), ..LearningRate::default() };
        let options =
            DriverOptions { batch, max_iterations: iterations, window: 100, learning_rate, ..DriverOptions::default() };
        judged_with(AdviLowRank::new(start(dim, rank)), target, &options)
    };
    LEARNING_RATES.map(run_with).into_iter().max_by(|a, b| a.elbo.total_cmp(&b.elbo)).expect("the grid has rates")
}

fn show(label: &str, row: &Row) {
    println!("| {label} | {} | {:.2} | {:.2e} | {:.3} |", row.gradients, row.seconds, row.divergence, row.elbo);
}

fn header(what: &str) {
    println!("\n| {what} | gradients | seconds | score divergence per dimension | ELBO |\n|---|---|---|---|---|");
}

/// The standard normal with small random loadings.
fn start(dim: usize, rank: usize) -> stanmatch::family::LowRankGaussian {
    LocalGaussian::unit(vec![0.0; dim]).low_rank(rank, &mut stream(5, 0))
}

/// The truncation alone.
const TRUNCATION: Patch = Patch { start: EmStart::Truncation, max_steps: 0, tolerance: 0.0, relaxation: 1.0 };

/// The rank against the target's, and both patches; D = 512, target of rank 32. The target is normalised: −ELBO is KL(q‖p).
fn ranks() {
    let target = LowRankTarget::random(512, 32, &mut stream(3, 0));
    header("engine, D = 512, target of rank 32");
    for rank in [0, 8, 16, 32, 64] {
        show(&format!("pBaM, K = {rank}"), &judged(PBam::new(start(512, rank), Patch::default()), &target, 32, 500));
    }
    let truncated = judged(PBam::new(start(512, 32), TRUNCATION), &target, 32, 500);
    show("pBaM, K = 32, truncation", &truncated);
    for rank in [0, 32] {
        show(&format!("ADVI, K = {rank}"), &advi(512, rank, &target, 32, 500));
    }
    let dense = Bam::new(DenseGaussian::standard(512));
    show("BaM, dense", &judged(dense, &target, 32, 500));
}

/// The tolerance and the over-relaxation of EM.
fn em_options() {
    let target = LowRankTarget::random(512, 32, &mut stream(3, 0));
    header("start of EM, tolerance, η, steps at the most");
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
            let row = judged(PBam::new(start(512, 32), patch), &target, 32, 300);
            show(&format!("{start_of_em:?}, {tolerance:e}, {relaxation}, {max_steps}"), &row);
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

    fn log_density(&self, x: &[f64]) -> Result<f64, Rejected> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, Rejected> {
        let x = Array1::from(x.to_vec());
        let eta = self.design.dot(&x);
        let residual = &self.counts - &eta.mapv(f64::exp);
        let gradient = self.design.t().dot(&residual) - &x;
        score.iter_mut().zip(gradient).for_each(|(s, g)| *s = g);
        let value = self.counts.dot(&eta) - eta.mapv(f64::exp).sum() - 0.5 * x.dot(&x);
        if value.is_finite() { Ok(value) } else { Err(Rejected::NotFinite) }
    }
}

fn poisson() {
    let target = Poisson::new();
    header("Poisson regression, D = 100");
    for rank in [0, 10, 32] {
        show(&format!("pBaM, K = {rank}"), &judged(PBam::new(start(100, rank), Patch::default()), &target, 32, 500));
    }
    let truncated = judged(PBam::new(start(100, 32), TRUNCATION), &target, 32, 500);
    show("pBaM, K = 32, truncation", &truncated);
    for rank in [0, 32] {
        show(&format!("ADVI, K = {rank}"), &advi(100, rank, &target, 32, 500));
    }
    let dense = Bam::new(DenseGaussian::standard(100));
    show("BaM, dense", &judged(dense, &target, 32, 500));
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("rank") => ranks(),
        Some("em") => em_options(),
        Some("poisson") => poisson(),
        _ => eprintln!("give the study: rank, em or poisson"),
    }
}
