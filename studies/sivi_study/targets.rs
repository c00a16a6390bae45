//! Two-dimensional densities of which exact draws are known, and the energy distance to them (squared form, unbiased).

use std::error::Error;
use std::time::Instant;

use ndarray::{Array2, ArrayView1, Axis, array};
use stanmatch::diagnostics::psis;
use stanmatch::engine::sivi::{SiviOptions, Trainer, judge};
use stanmatch::fit::FitArguments;
use stanmatch::gaussian::{DenseGaussian, GaussianApproximation};
use stanmatch::model::{Banana, Gaussian, Mixture, Target, Whitened};
use stanmatch::random::{Rng, fill_standard_normal, stream};

use crate::problem::{fitted, load};

/// The densities, the easiest first.
pub const NAMES: [&str; 3] = ["two_modes", "x_shaped", "banana"];
const DRAWS: usize = 10_000;
/// Exact samples are compared this often for the quantiles.
const PAIRS: u64 = 200;

/// How far exact samples are from one another.
pub fn null(only: Option<&str>) {
    println!("| | median | 95 % quantile |\n|---|---|---|");
    for name in NAMES.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        let distance = |pair| {
            let mut rng = stream(1000 + pair, 0);
            energy_distance(&exact(name, DRAWS, &mut rng), &exact(name, DRAWS, &mut rng))
        };
        let mut distances: Vec<f64> = (0..PAIRS).map(distance).collect();
        distances.sort_by(f64::total_cmp);
        let at = |share: usize| distances[distances.len() * share / 100];
        println!("| {name} | {:.1e} | {:.1e} |", at(50), at(95));
    }
}

/// Whole fits, as the command line makes them.
pub fn fits(seeds: u64, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    println!("| target | seed | best Gaussian | draws returned | share left of 0 | k̂ | status | gradients | seconds |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for name in NAMES.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        let (_, target) = load(&format!("no_data-{name}"))?;
        for seed in 1..=seeds {
            let start = Instant::now();
            let arguments = FitArguments { method: "sivi-sm".into(), seed, draws: DRAWS, ..FitArguments::default() };
            let fit = fitted(&target, &arguments.options(None)?)?;
            let seconds = start.elapsed().as_secs_f64();
            let mut rng = stream(seed, 1);
            let (reference, gaussian) = (exact(name, DRAWS, &mut rng), gaussian_draws(name, &mut rng)?);
            let left = fit.unconstrained.column(0).iter().filter(|x| **x < 0.0).count() as f64 / DRAWS as f64;
            println!(
                "| {name} | {seed} | {:.1e} | {:.1e} | {left:.3} | {:.2} | {} | {:.1e} | {seconds:.0} |",
                energy_distance(&gaussian, &reference),
                energy_distance(&fit.unconstrained, &reference),
                fit.verdict.pareto_k,
                if fit.verdict.objections.is_empty() { "ok" } else { "flagged" },
                fit.counts().gradient_evaluations as f64,
            );
        }
    }
    Ok(())
}

/// What the sizes and schedules do, each changed alone.
pub fn ablations(only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let defaults = SiviOptions::default;
    let variants: Vec<(&str, SiviOptions)> = vec![
        ("defaults", defaults()),
        ("Fisher divergence from the first step", SiviOptions { transport: 0.0, ..defaults() }),
        ("Kullback–Leibler divergence to the last", SiviOptions { transport: 1.0, ..defaults() }),
        ("no annealing", SiviOptions { annealing: 0.0, ..defaults() }),
        ("hidden 32", SiviOptions { hidden: 32, critic_hidden: 32, ..defaults() }),
        ("hidden 128", SiviOptions { hidden: 128, critic_hidden: 128, ..defaults() }),
        ("z of D dimensions", SiviOptions { latent: Some(2), ..defaults() }),
        ("z of 10 dimensions", SiviOptions { latent: Some(10), ..defaults() }),
        ("noise floor 0.1", SiviOptions { noise_floor: 0.1, ..defaults() }),
        ("noise floor 0.005", SiviOptions { noise_floor: 0.005, ..defaults() }),
        ("one step of the critic", SiviOptions { inner_steps: 1, ..defaults() }),
        ("ten steps of the critic", SiviOptions { inner_steps: 10, ..defaults() }),
    ];
    println!("| target | variant | family | weighted draws | k̂ | ms per step |\n|---|---|---|---|---|---|");
    for name in ["x_shaped", "banana"].into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        for (label, options) in &variants {
            let Run { family, weighted, pareto_k, milliseconds } = run(name, options)?;
            println!("| {name} | {label} | {family:.1e} | {weighted:.1e} | {pareto_k:.2} | {milliseconds:.2} |");
        }
    }
    Ok(())
}

struct Run {
    family: f64,
    weighted: f64,
    pareto_k: f64,
    milliseconds: f64,
}

/// The engine alone, in the coordinates of the density's own moments.
fn run(name: &str, options: &SiviOptions) -> Result<Run, Box<dyn Error>> {
    let mut rng = stream(options.seed, 1);
    let density = density(name);
    let target = Whitened::new(&*density, moments(name, &mut rng)?);
    let mut trainer = Trainer::<f32>::new(2, options.clone())?;
    let start = Instant::now();
    while !trainer.is_finished() {
        trainer.step(&target)?;
    }
    let milliseconds = 1e3 * start.elapsed().as_secs_f64() / options.steps as f64;
    let family = trainer.averaged().to_double();
    let judged = judge(&target, &family, Some(&trainer.critic().to_double()), 4 * DRAWS, &mut rng)?;
    let weighted = psis(&judged.log_ratios);
    let reference = exact(name, DRAWS, &mut rng);
    let plain = original(&target, &family.draws(DRAWS, &mut rng).0);
    let resampled = original(&target, &resampled(&judged.draws, &weighted.weights));
    Ok(Run {
        family: energy_distance(&plain, &reference),
        weighted: energy_distance(&resampled, &reference),
        pareto_k: weighted.pareto_k,
        milliseconds,
    })
}

/// Points of whitened coordinates on the density's own scale.
pub fn original<T: Target>(target: &Whitened<T, DenseGaussian>, points: &Array2<f64>) -> Array2<f64> {
    let mut images = Array2::zeros(points.dim());
    target.approximation().draws(points.view(), images.view_mut());
    images
}

/// The Gaussian with the density's own moments, as far as many exact draws know them: the best there is.
pub fn moments(name: &str, rng: &mut Rng) -> Result<DenseGaussian, Box<dyn Error>> {
    let sample = exact(name, 2 * DRAWS, rng);
    let mean = sample.mean_axis(Axis(0)).ok_or("no draws")?;
    let centred = &sample - &mean;
    Ok(DenseGaussian::from_covariance(mean, &(centred.t().dot(&centred) / sample.nrows() as f64))?)
}

fn gaussian_draws(name: &str, rng: &mut Rng) -> Result<Array2<f64>, Box<dyn Error>> {
    let gaussian = moments(name, rng)?;
    let mut noise = Array2::zeros((DRAWS, 2));
    fill_standard_normal(rng, noise.as_slice_mut().ok_or("not contiguous")?);
    let mut draws = Array2::zeros((DRAWS, 2));
    gaussian.draws(noise.view(), draws.view_mut());
    Ok(draws)
}

/// The density in Rust, for what needs no Stan.
pub fn density(name: &str) -> Box<dyn Target> {
    let gaussian = |rho: f64| Gaussian::new(array![0.0, 0.0], array![[2.0, rho], [rho, 2.0]]);
    let at = |x: f64| Gaussian::new(array![x, 0.0], Array2::eye(2));
    match name {
        "banana" => Box::new(Banana),
        "x_shaped" => Box::new(Mixture(vec![gaussian(1.8), gaussian(-1.8)])),
        _ => Box::new(Mixture(vec![at(-2.0), at(2.0)])),
    }
}

/// `DRAWS` draws by systematic resampling.
fn resampled(draws: &Array2<f64>, weights: &[f64]) -> Array2<f64> {
    let (mut row, mut cumulative) = (0, weights[0]);
    let chosen: Vec<usize> = (0..DRAWS)
        .map(|index| {
            while cumulative < (index as f64 + 0.5) / DRAWS as f64 && row + 1 < weights.len() {
                row += 1;
                cumulative += weights[row];
            }
            row
        })
        .collect();
    draws.select(Axis(0), &chosen)
}

/// Exact draws.
pub fn exact(name: &str, count: usize, rng: &mut Rng) -> Array2<f64> {
    let mut normal = Array2::zeros((count, 3));
    fill_standard_normal(rng, normal.as_slice_mut().expect("a fresh array is contiguous"));
    let conditional = (1.0_f64 - 0.81).sqrt();
    let map = |n: ArrayView1<'_, f64>| match name {
        "banana" => [n[0], 0.9 * n[0] + conditional * n[1] - n[0] * n[0] - 1.0],
        "x_shaped" => {
            let second = 0.9 * n[2].signum() * n[0] + conditional * n[1];
            [n[0], second].map(|x| 2.0_f64.sqrt() * x)
        }
        _ => [n[0] + 2.0 * n[2].signum(), n[1]],
    };
    Array2::from_shape_fn((count, 2), |(row, column)| map(normal.row(row))[column])
}

/// 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖, each mean over different pairs.
fn energy_distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let (n, m) = (a.nrows() as f64, b.nrows() as f64);
    2.0 * total(a, b) / (n * m) - total(a, a) / (n * (n - 1.0)) - total(b, b) / (m * (m - 1.0))
}

fn total(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let (x, y) = (b.column(0).to_vec(), b.column(1).to_vec());
    let from = |row: ArrayView1<'_, f64>| -> f64 {
        x.iter().zip(&y).map(|(x, y)| ((x - row[0]).powi(2) + (y - row[1]).powi(2)).sqrt()).sum()
    };
    a.rows().into_iter().map(from).sum()
}
