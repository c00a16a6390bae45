//! What an engine costs beside the target's evaluations: processor time of a BaM iteration on a target that costs next
//! to nothing, with its parts, and whole fits of programs against their gradient and density evaluations alone. One
//! thread; medians; one line per figure, `name: value`.
//!
//!     cargo bench --bench overhead [-- POSTERIOR…]

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Mutex;

use cpu_time::ProcessTime;
use ndarray::{ArrayView2, Axis, s};
use stanmatch::database::Database;
use stanmatch::engine::{Bam, Batch, BatchAndMatch, DriverOptions, Engine, TraceRow, run};
use stanmatch::fit::{FitOptions, GaussianOptions, Method, Observer, fit};
use stanmatch::gaussian::DenseGaussian;
use stanmatch::model::{CountingTarget, EvaluationError, Target};
use stanmatch::random::stream;
use stanmatch::toolchain::{Choice, StanModel};
use statrs::statistics::{Data, Median};

/// Dimensions and sizes of batches, and how many iterations each is measured over.
const CASES: [(usize, usize, usize); 4] = [(10, 8, 3000), (10, 32, 3000), (300, 75, 20), (800, 128, 8)];
/// Repetitions of every measurement.
const ROUNDS: usize = 15;
/// Programs whose gradient costs as much at every point, tens of microseconds and more.
const POSTERIORS: [&str; 4] = [
    "simulated_curve-gp_regr",
    "simulated_switches-hmm_example",
    "simulated_surface-neural_network",
    "simulated_overdispersed-negative_binomial_regression",
];
const THREADS: [&str; 2] = ["OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"];

fn main() -> Result<(), Box<dyn Error>> {
    if THREADS.iter().any(|name| env::var(name).as_deref() != Ok("1")) {
        // Both are read when they are loaded or first used.
        let mut again = Command::new(env::current_exe()?);
        let status = again.args(env::args_os().skip(1)).envs(THREADS.map(|name| (name, "1"))).status()?;
        return if status.success() { Ok(()) } else { Err("the bench failed".into()) };
    }
    CASES.into_iter().for_each(|(dim, size, count)| iterations(dim, size, count));
    if Choice::Auto.description().is_none() {
        eprintln!("left out, fits of programs: no toolchain is installed");
        return Ok(());
    }
    let only: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let chosen: Vec<&str> =
        if only.is_empty() { POSTERIORS.to_vec() } else { only.iter().map(|name| name.as_str()).collect() };
    let database = Database::open(None, None)?;
    for name in chosen {
        let posterior = database.posterior(name)?;
        let target = Choice::Auto.load(&posterior.program()?, &posterior.data()?, 1, &|_| ())?.model;
        whole_fit(name, &target)?;
    }
    Ok(())
}

/// Independent elements with tails lighter than a Gaussian's, so that the score divergence never vanishes.
struct Light(usize);

impl Target for Light {
    fn dim(&self) -> usize {
        self.0
    }
    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }
    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let mut value = 0.0;
        for (score, x) in score.iter_mut().zip(x) {
            let square = x * x;
            *score = -x - square * x;
            value -= 0.5 * square + 0.25 * square * square;
        }
        Ok(value)
    }
}

/// What an iteration of batches of `size` costs in `dim` dimensions, whole and in parts, over `count` iterations.
fn iterations(dim: usize, size: usize, count: usize) {
    let target = Light(dim);
    let rate = (size * dim) as f64;
    let options = DriverOptions { batch: size, max_iterations: count, window: 1_000_000, ..DriverOptions::default() };
    let whole = measured(count, || {
        let mut engine = Bam::new(DenseGaussian::standard(dim));
        let (counted, mut observe) = (CountingTarget::new(Light(dim)), |_: &TraceRow| ControlFlow::Continue(()));
        let outcome = run(&mut engine, &counted, &options, &mut stream(1, 0), &mut observe);
        assert_eq!(outcome.expect("the target is proper").iterations, count);
    });
    let mut engine = Bam::new(DenseGaussian::standard(dim));
    let mut batch = Batch::new(size, dim);
    let mut rng = stream(1, 0);
    for _ in 0..100 {
        batch.draw(engine.approximation(), &target, &mut rng, false);
        engine.step(&batch, rate).expect("the target is proper");
    }
    let family = engine.approximation().clone();
    let draw = measured(count, || (0..count).for_each(|_| batch.draw(&family, &target, &mut rng, false)));
    let step = measured(count, || {
        for _ in 0..count {
            engine.set_approximation(family.clone());
            engine.step(&batch, rate).expect("the target is proper");
        }
    });
    let watch = measured(count, || {
        for _ in 0..count {
            black_box((batch.score_divergence(), batch.elbo(&family)));
        }
    });
    let (points, mut score) = (batch.draws().to_owned(), vec![0.0; dim]);
    let evaluations = measured(count, || (0..count).for_each(|_| evaluate(&target, points.view(), &mut score)));
    println!(
        "microseconds per BaM iteration beside the evaluations, D = {dim}, B = {size}: {:.2}",
        whole - evaluations
    );
    println!("  of which draws and whitened scores: {:.2}", draw - evaluations);
    println!("  of which the step: {step:.2}");
    println!("  of which score divergence and evidence lower bound: {watch:.2}");
}

fn evaluate(target: &dyn Target, points: ArrayView2<'_, f64>, score: &mut [f64]) {
    for point in points.axis_iter(Axis(0)) {
        let point = point.as_slice().expect("rows are contiguous");
        black_box(target.log_density_and_score(point, score).ok());
    }
}

/// Median processor time in microseconds of one of the `count` repetitions that `work` makes.
fn measured(count: usize, mut work: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let began = ProcessTime::now();
        work();
        1e6 * began.elapsed().as_secs_f64() / count as f64
    });
    Data::new(times.collect::<Vec<_>>()).median()
}

/// A fit against its evaluations alone, phase by phase.
fn whole_fit(name: &str, target: &StanModel) -> Result<(), Box<dyn Error>> {
    let method = Method::Engine(&BatchAndMatch, GaussianOptions::default());
    let options = FitOptions { method, ..FitOptions::default() };
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let watch = Watch::default();
        let fitted = fit(target, &options, &watch)?;
        let mut began = watch.0.into_inner()?;
        began.push(ProcessTime::now());
        let points = fitted.unconstrained.slice(s![..200, ..]);
        let mut score = vec![0.0; target.dim()];
        let gradient = measured(points.nrows(), || evaluate(target, points, &mut score));
        let density = measured(points.nrows(), || {
            for point in points.rows() {
                black_box(target.log_density(point.as_slice().expect("rows are contiguous")).ok());
            }
        });
        let phases: Vec<(&str, f64, f64)> = (fitted.phases.iter().zip(began.windows(2)))
            .map(|(phase, times)| {
                let counts = phase.counts;
                let alone = counts.gradient_evaluations as f64 * gradient + counts.density_evaluations as f64 * density;
                (phase.name, 1e6 * times[1].duration_since(times[0]).as_secs_f64(), alone)
            })
            .collect();
        let whole: f64 = phases.iter().map(|phase| phase.1).sum();
        let alone: f64 = phases.iter().map(|phase| phase.2).sum();
        rounds.push((whole / alone, gradient, density, phases));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, gradient, density, phases) = rounds.swap_remove(rounds.len() / 2);
    println!("{name}, D = {}: microseconds per gradient: {gradient:.1}", target.dim());
    println!("{name}: microseconds per density: {density:.1}");
    println!("{name}: time of the fit over its evaluations alone: {ratio:.3}");
    for (phase, whole, alone) in phases {
        println!("  {phase}: milliseconds, whole and evaluations alone: {:.2} {:.2}", 1e-3 * whole, 1e-3 * alone);
    }
    Ok(())
}

/// When each phase began.
#[derive(Default)]
struct Watch(Mutex<Vec<ProcessTime>>);

impl Observer for Watch {
    fn phase(&self, _: &'static str) -> ControlFlow<()> {
        self.0.lock().expect("no phase panics").push(ProcessTime::now());
        ControlFlow::Continue(())
    }
}
