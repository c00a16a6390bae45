//! The properties of the match and of the patches, on random inputs.

use super::expectation_maximisation::{Em, EmStart, Patch};
use super::implicit_covariance::ImplicitCovariance;
use super::matching::MatchStep;
use super::*;
use crate::engine::testing::{batch_of, outer, random_matrix};
use crate::engine::{Bam, DriverOptions, run};
use crate::gaussian::DenseGaussian;
use crate::model::{CountingTarget, Gaussian, LowRankTarget, Target};
use crate::random::stream;
use ndarray::{Array2, ArrayView2};
use ndarray_linalg::Norm;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::ops::ControlFlow;

/// A Gaussian whose Ψ differs from element to element by several powers of ten, around zero.
fn random_low_rank(dim: usize, rank: usize, seed: u64) -> LowRankGaussian {
    let values = random_matrix(rank + 2, dim, seed);
    let psi = values.row(0).mapv(|v| (2.0 * v).exp());
    let lambda = &values.slice(ndarray::s![2.., ..]) * &psi.mapv(f64::sqrt);
    LowRankGaussian::new(values.row(1).to_owned(), &psi, lambda.t()).unwrap()
}

/// The matched covariance on the original scale.
fn unscaled(covariance: &ImplicitCovariance<'_>, gaussian: &LowRankGaussian) -> Array2<f64> {
    covariance.matrix() * gaussian.scales() * gaussian.scales().insert_axis(Axis(1))
}

fn em(max_steps: usize, relaxation: f64) -> Patch {
    Patch { start: EmStart::Warm, max_steps, tolerance: 0.0, relaxation }
}

/// I + TᵀT with T of `rows` rows, which the patch of that rank can reach.
fn within_reach(table: &Array2<f64>) -> (Array2<f64>, f64) {
    let covariance = table.t().dot(table) + Array2::<f64>::eye(table.ncols());
    let dense = DenseGaussian::from_covariance(Array1::zeros(table.ncols()), &covariance).unwrap();
    (covariance, 2.0 * dense.log_det_factor())
}

/// Up to this trace of QᵀVQ the matched covariance, a difference of large terms, is exact to the
/// tests' tolerances.
const WELL_SCALED: f64 = 1e7;

/// U and V of the paper on D × D matrices, and the batch's means, from a batch and the
/// approximation that it was drawn from.
struct Paper {
    u: Array2<f64>,
    v: Array2<f64>,
    z: Array1<f64>,
    g: Array1<f64>,
}

impl Paper {
    fn of(batch: &Batch, gaussian: &LowRankGaussian, lambda: f64) -> Self {
        let pull = lambda / (1.0 + lambda);
        let moments = |table: ArrayView2<f64>| {
            let mean = table.mean_axis(Axis(0)).unwrap();
            let centred = &table - &mean;
            (centred.t().dot(&centred) / table.nrows() as f64, mean)
        };
        let ((c, z), (gamma, g)) = (moments(batch.draws()), moments(batch.scores()));
        let u = gamma * lambda + outer(&g) * pull;
        let v = gaussian.covariance() + c * lambda + outer(&(&gaussian.mean() - &z)) * pull;
        Self { u, v, z, g }
    }
}

proptest! {
    // The same cases in every run.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(40) })]

    #[test]
    fn the_matched_covariance_solves_the_papers_equation(
        seed in 0u64..1000, dim in 1usize..200, rank in 0usize..6, size in 1usize..20, log_lambda in -3.0..3.0f64,
    ) {
        let lambda = 10f64.powf(log_lambda);
        let target = Gaussian::with_condition_number(dim, 100.0, &mut stream(seed, 1));
        let gaussian = random_low_rank(dim, rank, seed);
        let batch = batch_of(&gaussian, &target, size, seed);
        let Paper { u, v, z, g } = Paper::of(&batch, &gaussian, lambda);
        prop_assume!((&u * &v).sum() < WELL_SCALED);
        let pull = lambda / (1.0 + lambda);
        let mut matching = MatchStep::new(size, rank);
        matching.run(&batch, &gaussian, lambda, 1.0).unwrap();
        let covariance = matching.covariance(&batch, &gaussian);
        let s = unscaled(&covariance, &gaussian);
        let residual = s.dot(&u).dot(&s) + &s - &v;
        prop_assert!(residual.norm_l2() < 1e-6 * v.norm_l2(), "{} of {}", residual.norm_l2(), v.norm_l2());
        let scaled = DenseGaussian::from_covariance(Array1::zeros(dim), &covariance.matrix()).unwrap();
        prop_assert!((2.0 * scaled.log_det_factor() - covariance.log_det).abs() < 1e-4 * (dim + size) as f64);
        let expected = &gaussian.mean() * (1.0 - pull) + (s.dot(&g) + z) * pull;
        let mut engine = PBam::new(gaussian, Patch::default());
        engine.step(&batch, lambda).unwrap();
        prop_assert!((&engine.approximation().mean() - &expected).norm_l2() < 1e-6 * expected.norm_l2().max(1.0));
    }

    #[test]
    fn the_divergence_never_rises_and_is_the_gaussians(
        seed in 0u64..1000, dim in 1usize..200, rank in 1usize..6, size in 1usize..10, relaxation in 1.0..1.99f64,
    ) {
        let target = Gaussian::with_condition_number(dim, 100.0, &mut stream(seed, 1));
        let gaussian = random_low_rank(dim, rank, seed);
        let batch = batch_of(&gaussian, &target, size, seed);
        let Paper { u, v, .. } = Paper::of(&batch, &gaussian, 10.0);
        prop_assume!((&u * &v).sum() < WELL_SCALED);
        let mut matching = MatchStep::new(size, rank);
        matching.run(&batch, &gaussian, 10.0, 1.0).unwrap();
        let covariance = matching.covariance(&batch, &gaussian);
        let matrix = unscaled(&covariance, &gaussian);
        let mut last = f64::INFINITY;
        for steps in [0, 1, 2, 3, 10] {
            let mut patch = Em::new(em(steps, relaxation), dim, rank, rank + 2 * size);
            patch.run(&covariance, &gaussian).unwrap();
            prop_assert!(patch.divergence() <= last);
            last = patch.divergence();
            let mut patched = gaussian.clone();
            patch.apply(&mut patched).unwrap();
            let [patched, matched] = [patched.covariance(), matrix.clone()]
                .map(|covariance| DenseGaussian::from_covariance(Array1::zeros(dim), &covariance).unwrap());
            let log_ratio = 2.0 * (patched.log_det_factor() - matched.log_det_factor());
            // tr(Σ⁻¹ S) is the squared size of the noise that takes Σ to the columns of a factor of
            // S.
            let trace = patched.noise(matched.factor().t()).unwrap().norm_l2().powi(2);
            let expected = 0.5 * (trace - dim as f64 + log_ratio);
            prop_assert!((last - expected).abs() < 1e-6 * (1.0 + expected), "{last} for {expected}");
        }
    }

    /// A covariance of the Gaussian's own form stays, and is approached from elsewhere.
    #[test]
    fn a_covariance_within_reach_is_approached(seed in 0u64..1000, dim in 10usize..200, rank in 1usize..4) {
        let table = random_matrix(rank, dim, seed);
        let (matrix, log_det) = within_reach(&table);
        let (middle, empty) = (Array2::eye(rank), Array2::zeros((0, dim)));
        let covariance = ImplicitCovariance { tables: [table.view(), empty.view(), empty.view()], middle: middle.view(), log_det };
        let from = |loadings: Array2<f64>, steps, relaxation| {
            let mut gaussian = LowRankGaussian::from_scaled(Array1::zeros(dim), Array1::ones(dim), loadings).unwrap();
            let mut patch = Em::new(em(steps, relaxation), dim, rank, rank);
            patch.run(&covariance, &gaussian).unwrap();
            patch.apply(&mut gaussian).unwrap();
            (gaussian.covariance() - &matrix).norm_l2() / matrix.norm_l2()
        };
        prop_assert!(from(table.clone(), 5, 1.0) < 1e-9);
        let elsewhere = || random_matrix(rank, dim, seed + 7) * 0.1;
        let errors = [(1, 1.0), (10, 1.0), (400, 1.5)].map(|(steps, eta)| from(elsewhere(), steps, eta));
        prop_assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
        prop_assert!(errors[2] < 0.02, "{errors:?}");
    }

    #[test]
    fn truncation_keeps_variances_and_what_is_within_reach(seed in 0u64..1000, dim in 1usize..200, rank in 0usize..4) {
        let table = random_matrix(3, dim, seed);
        let (matrix, log_det) = within_reach(&table);
        let (middle, empty) = (Array2::eye(3), Array2::zeros((0, dim)));
        let covariance = ImplicitCovariance { tables: [empty.view(), table.view(), empty.view()], middle: middle.view(), log_det };
        let mut gaussian =
            LowRankGaussian::from_scaled(Array1::zeros(dim), Array1::ones(dim), Array2::zeros((rank, dim))).unwrap();
        let truncation = Patch { start: EmStart::Truncation, ..em(0, 1.0) };
        let mut patch = Em::new(truncation, dim, rank, 3);
        patch.run(&covariance, &gaussian).unwrap();
        patch.apply(&mut gaussian).unwrap();
        let patched = gaussian.covariance();
        let difference = patched - &matrix;
        prop_assert!(difference.diag().iter().all(|d| d.abs() < 1e-8 * matrix.norm_l2()));
        prop_assert!(rank < 3 || difference.norm_l2() < 1e-8 * matrix.norm_l2());
    }

    /// Where the rank is that of any covariance, the patch is no restriction.
    #[test]
    fn a_full_rank_tends_to_dense_bam(seed in 0u64..1000, dim in 2usize..8, extra in 0usize..2) {
        let target = Gaussian::with_condition_number(dim, 10.0, &mut stream(seed, 1));
        let start = random_low_rank(dim, dim - 1 + extra, seed);
        let batch = batch_of(&start, &target, 4, seed);
        let mut dense = Bam::new(DenseGaussian::from_covariance(start.mean().to_owned(), &start.covariance()).unwrap());
        // The dense engine's noise is in its own coordinates.
        let noise = dense.approximation().noise(batch.draws()).unwrap();
        let dense_batch = batch.seen_by(dense.approximation(), noise);
        dense.step(&dense_batch, 2.0).unwrap();
        let expected = dense.approximation().covariance();
        let error = |steps| {
            let mut engine = PBam::new(start.clone(), em(steps, 1.5));
            engine.step(&batch, 2.0).unwrap();
            (engine.approximation().covariance() - &expected).norm_l2() / expected.norm_l2()
        };
        let errors = [3, 3000].map(error);
        prop_assert!(errors[1] < 0.1 && errors[1] < errors[0], "{errors:?}");
    }

    /// Rescaling the elements of target, start and draws rescales the result.
    #[test]
    fn scales_of_elements_do_not_matter(seed in 0u64..1000, dim in 1usize..200, rank in 0usize..5, size in 1usize..8) {
        let target = LowRankTarget::random(dim, 2, &mut stream(seed, 1));
        let scales = random_matrix(1, dim, seed + 1).remove_axis(Axis(0)).mapv(|v| (3.0 * v).exp());
        let rescaled = |gaussian: &LowRankGaussian| {
            let lambda = gaussian.lambda() * scales.view().insert_axis(Axis(1));
            LowRankGaussian::new(&gaussian.mean() * &scales, &(gaussian.psi() * &scales * &scales), lambda.view()).unwrap()
        };
        let other = LowRankTarget::new(rescaled(target.approximation()));
        let start = random_low_rank(dim, rank, seed);
        let (mut one, mut two) =
            (PBam::new(start.clone(), Patch::default()), PBam::new(rescaled(&start), Patch::default()));
        for step in 0..3 {
            let batch = batch_of(one.approximation(), &target, size, seed + step);
            one.step(&batch, 5.0).unwrap();
            let batch = batch_of(two.approximation(), &other, size, seed + step);
            two.step(&batch, 5.0).unwrap();
        }
        let expected = rescaled(one.approximation());
        let ratio = |a: Array1<f64>, b: Array1<f64>| (a / b).iter().all(|r| (r - 1.0).abs() < 1e-4);
        prop_assert!(ratio(two.approximation().sds(), expected.sds()));
        prop_assert!(ratio(two.approximation().psi(), expected.psi()));
    }
}

/// The target's covariance is found when the rank suffices, and the divergence vanishes.
#[test]
fn a_low_rank_gaussian_is_recovered() {
    let target = LowRankTarget::random(120, 4, &mut stream(3, 0));
    let start = random_matrix(4, 120, 5) * 0.01;
    let start = LowRankGaussian::from_scaled(Array1::zeros(120), Array1::ones(120), start).unwrap();
    let mut engine = PBam::new(start, Patch::default());
    let options = DriverOptions { max_iterations: 300, batch: 16, ..DriverOptions::default() };
    let mut last = f64::NAN;
    let outcome = run(&mut engine, &CountingTarget::new(&target), &options, &mut stream(1, 0), &mut |row| {
        last = row.score_divergence;
        ControlFlow::Continue(())
    })
    .unwrap();
    let expected = target.approximation().covariance();
    let error = (outcome.approximation.covariance() - &expected).norm_l2() / expected.norm_l2();
    assert!(outcome.converged && last < 1e-5 && error < 1e-2, "divergence {last}, error {error}");
}

/// Rank 0 is a mean-field engine: on independent elements it finds their variances.
#[test]
fn rank_zero_fits_independent_elements() {
    let target = LowRankTarget::random(50, 0, &mut stream(3, 0));
    let start = LowRankGaussian::diagonal(Array1::zeros(50), Array1::ones(50)).unwrap();
    let mut engine = PBam::new(start, Patch::default());
    let options = DriverOptions { max_iterations: 300, ..DriverOptions::default() };
    let outcome =
        run(
            &mut engine,
            &CountingTarget::new(&target),
            &options,
            &mut stream(1, 0),
            &mut |_| ControlFlow::Continue(()),
        )
        .unwrap();
    let ratios = outcome.approximation.psi() / target.approximation().psi();
    assert!(ratios.iter().all(|r| (r - 1.0).abs() < 0.01), "{ratios}");
}

#[test]
fn scores_that_overflow_leave_the_gaussian_as_it_was() {
    struct Steep;
    impl Target for Steep {
        fn dim(&self) -> usize {
            3
        }
        fn log_density(&self, _: &[f64]) -> Result<f64, crate::model::EvaluationError> {
            Ok(0.0)
        }
        fn log_density_and_score(&self, _: &[f64], score: &mut [f64]) -> Result<f64, crate::model::EvaluationError> {
            score.fill(1e200);
            Ok(0.0)
        }
    }
    let start = random_low_rank(3, 1, 1);
    let mut engine = PBam::new(start.clone(), Patch::default());
    let batch = batch_of(&start, &Steep, 4, 1);
    assert_eq!(engine.step(&batch, 1.0), Err(UpdateFailed));
    assert_eq!(engine.approximation(), &start);
}
