//! What fitting a triangular map costs: `cargo bench --bench transport`.

use ndarray::{Array1, Array2, Axis};
use stanmatch::random::{standard_normal, stream};
use stanmatch::transport::{MapFitOptions, Structure, TriangularMap};

fn main() {
    divan::main();
}

/// Exact draws of a centred hierarchy and the scores there, `points` × `dim` each: log τ ~ N(0, 1),
/// μ ~ N(0, 2), and the others ~ N(μ, τ).
fn hierarchy(dim: usize, points: usize) -> (Array2<f64>, Array2<f64>) {
    let mut x = standard_normal(&mut stream(1, 0), (points, dim));
    let mut scores = Array2::zeros((points, dim));
    for (mut x, mut score) in x.rows_mut().into_iter().zip(scores.rows_mut()) {
        x[1] *= 2.0;
        let (tau, mean) = (x[0].exp(), x[1]);
        (score[0], score[1]) = (-x[0], -mean / 4.0);
        for element in 2..dim {
            let noise = x[element];
            x[element] = mean + tau * noise;
            score[element] = -noise / tau;
            score[0] += noise * noise - 1.0;
            score[1] += noise / tau;
        }
    }
    (x, scores)
}

/// The Gaussian of the points' moments, with this many drivers.
fn gaussian(points: &Array2<f64>, drivers: &[usize]) -> TriangularMap {
    let mean = points.mean_axis(Axis(0)).expect("there are points");
    let deviations = points - &mean;
    let covariance = deviations.t().dot(&deviations) / points.nrows() as f64;
    let scale: Array1<f64> = covariance.diag().mapv(f64::sqrt);
    let structure = Structure::with_drivers(points.ncols(), drivers);
    TriangularMap::gaussian(structure, (mean.clone(), scale), &mean, &covariance).expect("it is positive definite")
}

/// A fit of 60 iterations from the Gaussian to 1 000 points.
#[divan::bench(args = [(10, 1), (10, 2), (100, 1), (100, 2)], sample_count = 5)]
fn fit(bencher: divan::Bencher, (dim, drivers): (usize, usize)) {
    let (points, scores) = hierarchy(dim, 1000);
    let start = gaussian(&points, &[0, 1][..drivers]);
    bencher
        .with_inputs(|| start.clone())
        .bench_local_values(|mut map| map.fit(points.view(), scores.view(), MapFitOptions::default()));
}

/// The scores of 1 000 points pulled back through a map.
#[divan::bench(args = [10, 100], sample_count = 20)]
fn pull_back(bencher: divan::Bencher, dim: usize) {
    let (points, scores) = hierarchy(dim, 1000);
    let map = gaussian(&points, &[0, 1]);
    let mut pulled = Array2::zeros(points.dim());
    bencher.bench_local(|| map.pull_back(points.view(), scores.view(), pulled.view_mut()));
}
