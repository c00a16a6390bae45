//! Runs on synthetic targets with known moments.

use super::*;
use crate::gaussian::DenseGaussian;
use crate::model::{CountingTarget, EvaluationError, Gaussian};
use crate::random::{standard_normal, stream};
use ndarray::{Array1, array};

fn standard(dim: usize) -> DenseGaussian {
    DenseGaussian::from_covariance(Array1::zeros(dim), &Array2::eye(dim)).unwrap()
}

/// Mean and covariance of the points after each of `transitions`, averaged.
fn moments<T: Target, F: GaussianApproximation>(
    chains: &mut ParallelHmc<T, F>,
    transitions: usize,
) -> (Array1<f64>, Array2<f64>) {
    let (mut mean, mut squares) = (Array1::zeros(chains.gaussian.dim()), Array2::zeros([chains.gaussian.dim(); 2]));
    for _ in 0..transitions {
        chains.transition(u64::MAX);
        let points = chains.points();
        mean += &points.mean_axis(Axis(0)).unwrap();
        squares += &(points.t().dot(&points) / points.nrows() as f64);
    }
    let (mean, squares): (Array1<f64>, Array2<f64>) = (mean / transitions as f64, squares / transitions as f64);
    let of_mean = mean.view().insert_axis(Axis(1)).to_owned();
    (mean, squares - of_mean.dot(&of_mean.t()))
}

#[test]
fn chains_from_another_gaussian_go_to_the_target_and_stay_there() {
    let target = Gaussian::new(array![1.0, -2.0, 0.5], array![[1.0, 0.6, 0.0], [0.6, 2.0, 0.0], [0.0, 0.0, 0.2]]);
    let gaussian = standard(3);
    let mut chains = ParallelHmc::new(&target, &gaussian, 1000, &mut stream(1, 0)).unwrap();
    for _ in 0..20 {
        chains.adapting_transition(0.8, u64::MAX);
    }
    let (mean, covariance) = moments(&mut chains, 40);
    // Five standard errors of 40 000 independent draws; their autocorrelations hardly matter.
    let errors = (&mean - target.mean()).mapv(f64::abs);
    assert!(errors.iter().zip(target.covariance().diag()).all(|(error, v)| *error < 0.05 * v.sqrt()), "{mean}");
    let largest = (&covariance - target.covariance()).iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    assert!(largest < 0.08, "{covariance}");
}

#[test]
fn what_is_wide_is_forgotten_by_longer_trajectories() {
    let target = Gaussian::new(array![0.0, 0.0], array![[36.0, 0.0], [0.0, 1.0]]);
    let gaussian = standard(2);
    // How the first coordinate correlates with where it was eight transitions before.
    let memory = |doublings| {
        let mut chains = ParallelHmc::new(&target, &gaussian, 4000, &mut stream(6, 0)).unwrap();
        (0..doublings).for_each(|_| chains.lengthen());
        (0..60).for_each(|_| {
            chains.adapting_transition(0.99, u64::MAX);
        });
        let before = chains.points().column(0).to_owned();
        (0..8).for_each(|_| {
            chains.transition(u64::MAX);
        });
        before.dot(&chains.points().column(0)) / before.dot(&before)
    };
    // Where hardly any is rejected, the mean of cos(L/6) over lengths L of a quarter period,
    // give or take half, to the eighth: 0.74, and 0.29 of half a period.
    let (short, long) = (memory(0), memory(1));
    assert!((short - 0.74).abs() < 0.06 && (long - 0.29).abs() < 0.06, "{short} and {long}");
}

#[test]
fn a_long_step_is_corrected_by_rejections() {
    let (target, gaussian) = (Gaussian::new(array![0.0], array![[0.5]]), standard(1));
    let mut chains = ParallelHmc::new(&target, &gaussian, 2000, &mut stream(2, 0)).unwrap();
    chains.trajectory.step = 1.3;
    let acceptance = chains.transition(u64::MAX).acceptance;
    for _ in 0..10 {
        chains.transition(u64::MAX);
    }
    let (mean, covariance) = moments(&mut chains, 40);
    assert!(acceptance < 0.9 && mean[0].abs() < 0.02 && (covariance[[0, 0]] - 0.5).abs() < 0.02, "{covariance}");
}

#[test]
fn a_chain_where_steps_are_too_long_stands_still() {
    let (target, gaussian) = (Gaussian::new(array![0.0], array![[1e-4]]), standard(1));
    let mut chains = ParallelHmc::new(&target, &gaussian, 40, &mut stream(7, 0)).unwrap();
    let stays: Vec<usize> = (0..5).map(|_| chains.transition(u64::MAX).longest_stay).collect();
    assert_eq!(stays, [1, 2, 3, 4, 5]);
    chains.trajectory.step = 0.005;
    assert!((0..20).map(|_| chains.transition(u64::MAX).longest_stay).next_back().unwrap() < 10);
}

#[test]
fn the_step_size_brings_the_acceptance_that_is_wanted() {
    let dim = 50;
    let target = Gaussian::with_condition_number(dim, 10.0, &mut stream(3, 0));
    let gaussian = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
    let mean_of = |wanted| {
        let mut chains = ParallelHmc::new(&target, &gaussian, 256, &mut stream(3, 1)).unwrap();
        for _ in 0..16 {
            chains.adapting_transition(wanted, u64::MAX);
        }
        (0..20).map(|_| chains.transition(u64::MAX).acceptance).sum::<f64>() / 20.0
    };
    for wanted in [0.8, 0.95] {
        let acceptance = mean_of(wanted);
        assert!((acceptance - wanted).abs() < 0.05, "{acceptance}");
    }
}

#[test]
fn chains_do_not_depend_on_the_number_of_threads_and_count_what_they_cost() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let target = CountingTarget::new(Gaussian::with_condition_number(5, 4.0, &mut stream(4, 0)));
            let gaussian = standard(5);
            let mut chains = ParallelHmc::new(&target, &gaussian, 70, &mut stream(4, 1)).unwrap();
            assert_eq!(target.counts().gradient_evaluations, 70);
            let most = chains.most_evaluations();
            chains.transition(u64::MAX);
            assert!(target.counts().gradient_evaluations <= 70 + most);
            (chains.points(), chains.log_densities().collect::<Vec<f64>>())
        })
    };
    let (one, three) = (run(1), run(3));
    assert_eq!(one, three);
    assert_eq!(one.0.dim(), (70, 5));
    // Chains are independent of each other, those of different blocks too.
    assert_ne!(one.0.row(0), one.0.row(32));
}

/// Neal's funnel: v ~ N(0, 1), and x ~ N(0, e^(2 · 1.5 v)) given v.
struct Funnel;

const NECK: f64 = 1.5;

impl Target for Funnel {
    fn dim(&self) -> usize {
        2
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut [0.0; 2])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let precision = (-2.0 * NECK * x[0]).exp();
        let squared = x[1] * x[1] * precision;
        score[0] = -x[0] + NECK * (squared - 1.0);
        score[1] = -x[1] * precision;
        Ok(-0.5 * (x[0] * x[0] + squared) - NECK * x[0])
    }
}

/// From the funnel's own draws its distribution does not change, in the neck neither, where a first attempt is
/// hopeless; and chains leave the neck.
#[test]
fn a_neck_is_sampled_by_retries() {
    let (gaussian, count) = (standard(2), 4000);
    let target = CountingTarget::new(Funnel);
    let mut chains = ParallelHmc::new(&target, &gaussian, count, &mut stream(8, 0)).unwrap();
    chains.trajectory.step = 0.7;
    let draws = standard_normal(&mut stream(8, 1), (count, 2));
    let mut rows = draws.rows().into_iter();
    for block in &mut chains.blocks {
        for mut x in block.now.x.rows_mut() {
            let noise = rows.next().unwrap();
            (x[0], x[1]) = (noise[0], (NECK * noise[0]).exp() * noise[1]);
        }
        block.now.log_densities.fill(0.0);
        block.now.evaluate(&target, &gaussian.covariance_product());
    }
    let necks = |points: &Array2<f64>| points.column(0).mapv(|v| v < -1.5);
    let before = necks(&chains.points());
    for _ in 0..40 {
        chains.transition(u64::MAX);
    }
    let (points, after) = (chains.points(), necks(&chains.points()));
    let v = points.column(0);
    // Four standard errors of independent chains.
    assert!(v.mean().unwrap().abs() < 0.064, "{}", v.mean().unwrap());
    assert!(v.std(1.0).ln().abs() < 0.045, "{}", v.std(1.0));
    let share = |neck: &Array1<bool>| neck.iter().filter(|it| **it).count() as f64 / count as f64;
    assert!((share(&after) - 0.0668).abs() < 0.016, "{}", share(&after));
    let stayed = before.iter().zip(&after).filter(|(before, after)| **before && **after).count() as f64;
    assert!(stayed < 0.5 * share(&before) * count as f64, "{stayed} of {}", share(&before));
}

#[test]
fn retries_keep_within_their_budget() {
    let (gaussian, target) = (standard(2), CountingTarget::new(Funnel));
    let mut chains = ParallelHmc::new(&target, &gaussian, 100, &mut stream(9, 0)).unwrap();
    let mut beyond = |retries| {
        let (before, most) = (target.counts().gradient_evaluations, chains.most_evaluations());
        chains.transition(retries);
        let spent = target.counts().gradient_evaluations - before;
        assert!(spent <= most + retries, "{spent}, {most} and {retries}");
        spent > most
    };
    let (none, some): (usize, usize) =
        (0..20).fold((0, 0), |(none, some), _| (none + usize::from(beyond(0)), some + usize::from(beyond(5000))));
    assert!(none == 0 && some > 10, "{some}");
}

/// The standard normal where the first coordinate is above a bound.
struct Above(f64);

impl Target for Above {
    fn dim(&self) -> usize {
        2
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut [0.0; 2])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        score.iter_mut().zip(x).for_each(|(score, x)| *score = -x);
        if x[0] > self.0 { Ok(-0.5 * (x[0] * x[0] + x[1] * x[1])) } else { Err(EvaluationError::NotFinite) }
    }
}

#[test]
fn no_chain_is_where_the_target_rejects() {
    let gaussian = standard(2);
    let target = Above(0.0);
    let mut chains = ParallelHmc::new(&target, &gaussian, 500, &mut stream(5, 0)).unwrap();
    let divergences: usize = (0..50).map(|_| chains.transition(u64::MAX).divergences).sum();
    let points = chains.points();
    assert!(divergences > 0 && points.column(0).iter().all(|&x| x > 0.0));
    // Half normal: mean √(2/π).
    assert!((points.column(0).mean().unwrap() - 0.798).abs() < 0.15, "{}", points.column(0));
    assert!(ParallelHmc::new(&Above(9.0), &gaussian, 8, &mut stream(5, 0)).is_none());
}
