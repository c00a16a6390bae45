//! How well a semi-implicit family fits the two-dimensional densities `banana`, `x_shaped` and `two_modes`: the energy distance
//! (squared form, unbiased) of 10 000 draws to 10 000 exact ones, of the family itself and of its weighted draws.
//!
//!     cargo run --release --example sivi_study -- two_modes 5      five seeds
//!     cargo run --release --example sivi_study -- two_modes null   quantiles of the distance between exact samples

use ndarray::{Array2, ArrayView1, Axis, array};
use stanmatch::diagnostics::psis;
use stanmatch::engine::sivi::{SiviOptions, Trainer, judge};
use stanmatch::family::{DenseGaussian, Family};
use stanmatch::random::{Rng, fill_standard_normal, stream};
use stanmatch::target::{Banana, Gaussian, Mixture, Target, Whitened};
use std::error::Error;
use std::time::Instant;

const DRAWS: usize = 10_000;
/// Exact samples are compared this often for the quantiles.
const PAIRS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(what)) = (arguments.next(), arguments.next()) else {
        return Err("give banana, x_shaped or two_modes, and a number of seeds or `null`".into());
    };
    if what == "null" {
        let distance = |pair| {
            let mut rng = stream(1000 + pair, 0);
            energy_distance(&exact(&name, DRAWS, &mut rng), &exact(&name, DRAWS, &mut rng))
        };
        let mut distances: Vec<f64> = (0..PAIRS as u64).map(distance).collect();
        distances.sort_by(f64::total_cmp);
        println!("median {:.2e}, 95 % quantile {:.2e}", distances[PAIRS / 2], distances[PAIRS * 95 / 100]);
        return Ok(());
    }
    println!(
        "| seed | Gaussian | family | weighted draws | k̂ | share left of 0 | seconds |\n|---|---|---|---|---|---|---|"
    );
    for seed in 1..=what.parse()? {
        study(&name, seed)?;
    }
    Ok(())
}

fn study(name: &str, seed: u64) -> Result<(), Box<dyn Error>> {
    let mut rng = stream(seed, 1);
    let gaussian = |rho: f64| Gaussian::new(array![0.0, 0.0], array![[2.0, rho], [rho, 2.0]]);
    let at = |x: f64| Gaussian::new(array![x, 0.0], Array2::eye(2));
    let target: Box<dyn Target> = match name {
        "banana" => Box::new(Banana),
        "x_shaped" => Box::new(Mixture(vec![gaussian(1.8), gaussian(-1.8)])),
        "two_modes" => Box::new(Mixture(vec![at(-2.0), at(2.0)])),
        _ => return Err(format!("there is no density {name}").into()),
    };
    // The Gaussian with the target's own moments: the coordinates, and what a Gaussian can do at best.
    let sample = exact(name, 2 * DRAWS, &mut rng);
    let mean = sample.mean_axis(Axis(0)).ok_or("no draws")?;
    let centred = &sample - &mean;
    let coordinates = DenseGaussian::from_covariance(mean, &(centred.t().dot(&centred) / sample.nrows() as f64))?;
    let target = Whitened::new(&*target, coordinates);
    let start = Instant::now();
    let mut trainer = Trainer::<f32>::new(2, SiviOptions { seed, ..SiviOptions::default() })?;
    while !trainer.is_finished() {
        trainer.step(&target)?;
    }
    let family = trainer.averaged().to_double();
    let judged = judge(&target, &family, Some(&trainer.critic().to_double()), 4 * DRAWS, &mut rng)?;
    let seconds = start.elapsed().as_secs_f64();
    let weighted = psis(&judged.log_ratios);
    let original = |rows: &Array2<f64>| {
        let mut points = Array2::zeros(rows.dim());
        target.family().draws(rows.view(), points.view_mut());
        points
    };
    let reference = exact(name, DRAWS, &mut rng);
    let mut noise = Array2::zeros((DRAWS, 2));
    fill_standard_normal(&mut rng, noise.as_slice_mut().ok_or("not contiguous")?);
    let plain = original(&family.draws(DRAWS, &mut rng).0);
    let left = plain.column(0).iter().filter(|x| **x < 0.0).count() as f64 / DRAWS as f64;
    println!(
        "| {seed} | {:.1e} | {:.1e} | {:.1e} | {:.2} | {left:.3} | {seconds:.0} |",
        energy_distance(&original(&noise), &reference),
        energy_distance(&plain, &reference),
        energy_distance(&original(&resampled(&judged.draws, &weighted.weights)), &reference),
        weighted.pareto_k
    );
    Ok(())
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
fn exact(name: &str, count: usize, rng: &mut Rng) -> Array2<f64> {
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
