//! Synthetic posteriors whose modes and their shares are known. Each is searched with ten seeds.

use super::{ModeOptions, Modes, modes, symmetries};
use crate::model::{Banana, CountingTarget, Density, EvaluationError, Gaussian, Model, Target, Unconstrained};
use crate::random::stream;
use ndarray::{Array1, Array2, array};

const SEEDS: u64 = 10;

fn search<T: Target>(target: &T, seed: u64) -> Modes {
    modes(target, &[], &ModeOptions::default(), seed).unwrap()
}

/// With the symmetries of a model.
fn search_with_symmetries(model: &dyn Model, seed: u64) -> Modes {
    let symmetries = symmetries(model, &model, seed);
    modes(&model, &symmetries, &ModeOptions::default(), seed).unwrap()
}

/// Σ w N, normalised.
struct Weighted(Vec<(f64, Gaussian)>);

impl Target for Weighted {
    fn dim(&self) -> usize {
        self.0[0].1.dim()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let mut own = vec![0.0; x.len()];
        let mut terms = Vec::new();
        for (weight, component) in &self.0 {
            let value = component.log_density_and_score(x, &mut own)? + weight.ln();
            terms.push((value, own.clone()));
        }
        let largest = terms.iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = terms.iter().map(|(value, _)| (value - largest).exp()).sum();
        score.fill(0.0);
        for (value, own) in &terms {
            let responsibility = (value - largest).exp() / total;
            score.iter_mut().zip(own).for_each(|(score, own)| *score += responsibility * own);
        }
        Ok(largest + total.ln())
    }
}

/// Normals at ±3 in the first of three coordinates, with sd 0.7 there and 1 in the others, the one above with this weight.
fn pair(weight: f64) -> Weighted {
    let at = |x: f64| Gaussian::new(array![x, 0.0, 0.0], Array2::from_diag(&array![0.5, 1.0, 1.0]));
    Weighted(vec![(weight, at(3.0)), (1.0 - weight, at(-3.0))])
}

/// The share of the modes above zero in the first coordinate.
fn share_above(modes: &Modes) -> f64 {
    modes.modes.iter().zip(modes.shares()).filter(|(mode, _)| mode.position[0] > 0.0).map(|(_, share)| share).sum()
}

#[test]
fn both_modes_of_a_pair_are_found_with_their_shares() {
    for weight in [0.5, 0.9, 0.999] {
        for seed in 1..=SEEDS {
            let found = search(&pair(weight), seed);
            assert_eq!(found.modes.len(), 2, "{weight}, seed {seed}: {:?}", found.dropped);
            let share = share_above(&found);
            let error = found.modes[0].standard_error.hypot(found.modes[1].standard_error);
            assert!((share - weight).abs() < 4.0 * weight * (1.0 - weight) * error, "{weight}: {share}, seed {seed}");
            assert!(error < 0.3, "{error}");
            assert!(!found.is_bounded && found.paths >= 14, "{}", found.paths);
        }
    }
}

/// One of 0.03 % lies below e⁻⁷ of the other: whether it is kept depends on the errors of its weight, but it cannot have
/// more than a fraction of the tolerance.
#[test]
fn a_mode_that_does_not_matter_has_no_weight() {
    let mut seen = 0;
    for seed in 1..=SEEDS {
        let found = search(&pair(0.9997), seed);
        let share = share_above(&found);
        assert!(share > 0.98, "{share}, seed {seed}");
        seen += usize::from(found.modes.len() + found.dropped.len() >= 2);
    }
    assert!(seen >= 7, "{seen} of {SEEDS}");
}

/// Three exchangeable means of data in three clusters: 3! modes of equal weight.
#[test]
fn all_labellings_of_three_means_are_found() {
    let density = Density::new(3, |x: &[f64], score: &mut [f64]| {
        score.iter_mut().zip(x).for_each(|(score, x)| *score = -x / 25.0);
        let mut total = -x.iter().map(|x| x * x).sum::<f64>() / 50.0;
        for y in [-3.1, -2.9, -2.8, -0.2, 0.1, 0.2, 2.7, 3.0, 3.2] {
            let terms: Vec<f64> = x.iter().map(|x| (-0.5 * (y - x) * (y - x) / 0.25).exp()).collect();
            let sum: f64 = terms.iter().sum::<f64>() + 1e-300;
            total += sum.ln();
            for ((score, x), term) in score.iter_mut().zip(x).zip(&terms) {
                *score += term / sum * (y - x) / 0.25;
            }
        }
        total
    });
    let names = (1..=3).map(|index| format!("mu[{index}]")).collect();
    let model = Unconstrained::with_names(density, names).unwrap();
    for seed in 1..=SEEDS {
        let found = search_with_symmetries(&model, seed);
        let labellings = found.modes.iter().filter(|mode| mode.log_weight > found.modes[0].log_weight - 1e-9);
        assert_eq!(labellings.clone().count(), 6, "seed {seed}");
        assert_eq!(
            labellings.filter(|mode| mode.image.as_ref().is_some_and(|image| image.of == 0)).count(),
            5,
            "seed {seed}"
        );
    }
}

/// A twisted normal, a ring, Neal's funnel and a narrow, curved ridge have one mode each.
#[test]
fn shapes_that_are_no_gaussians_are_one_mode() {
    let ring = Density::new(2, |x: &[f64], score: &mut [f64]| {
        let radius = x[0].hypot(x[1]);
        let slope = -(radius - 2.0) / 0.04;
        score.copy_from_slice(&[slope * x[0] / radius, slope * x[1] / radius]);
        -(radius - 2.0) * (radius - 2.0) / 0.08
    });
    let funnel = Density::new(10, |x: &[f64], score: &mut [f64]| {
        let (v, rest) = (x[0], &x[1..]);
        let squares: f64 = rest.iter().map(|e| e * e).sum();
        score[0] = -v / 9.0 - 4.5 + 0.5 * squares * (-v).exp();
        score[1..].iter_mut().zip(rest).for_each(|(score, x)| *score = -x * (-v).exp());
        -v * v / 18.0 - 4.5 * v - 0.5 * squares * (-v).exp()
    });
    let ridge = Density::new(2, |x: &[f64], score: &mut [f64]| {
        let deviation = x[1] - 2.0 * (2.0 * x[0]).atan();
        score[1] = -400.0 * deviation;
        score[0] = -x[0] / 4.0 - score[1] * 4.0 / (1.0 + 4.0 * x[0] * x[0]);
        -x[0] * x[0] / 8.0 - 200.0 * deviation * deviation
    });
    let gaussian = Gaussian::with_condition_number(30, 1e4, &mut stream(3, 0));
    let shapes: [(&str, &dyn Target); 5] =
        [("banana", &Banana), ("ring", &ring), ("funnel", &funnel), ("ridge", &ridge), ("gaussian", &gaussian)];
    for (name, target) in shapes {
        for seed in 1..=SEEDS {
            let found = modes(target, &[], &ModeOptions::default(), seed).unwrap();
            let weights: Vec<f64> = found.modes.iter().map(|mode| mode.log_weight).collect();
            assert_eq!(found.modes.len(), 1, "{name}, seed {seed}: {weights:?}");
        }
    }
}

/// The image of a point of a ring under a change of all signs lies opposite, and the centre between has no density.
#[test]
fn a_ring_is_one_mode_with_its_symmetry() {
    let ring = Density::new(2, |x: &[f64], score: &mut [f64]| {
        let radius = x[0].hypot(x[1]);
        let slope = -(radius - 3.0) / 0.09 - 1.0 / radius;
        score.copy_from_slice(&[slope * x[0] / radius, slope * x[1] / radius]);
        -(radius - 3.0) * (radius - 3.0) / 0.18 - radius.ln()
    });
    let model = Unconstrained::with_names(ring, vec!["x[1]".into(), "x[2]".into()]).unwrap();
    assert!(symmetries(&model, &model, 1).iter().any(|it| it.apply(&[1.0, 2.0]) == Some(vec![-1.0, -2.0])));
    for seed in 1..=SEEDS {
        assert_eq!(search_with_symmetries(&model, seed).modes.len(), 1, "seed {seed}");
    }
}

/// What the paths after the first four cost where there is one mode.
#[test]
fn further_paths_are_cheap_where_there_is_one_mode() {
    let gaussian = Gaussian::with_condition_number(10, 1e3, &mut stream(3, 0));
    let cost = |least: usize| {
        let counting = CountingTarget::new(&gaussian);
        let found = modes(&counting, &[], &ModeOptions { least, ..ModeOptions::default() }, 1).unwrap();
        assert_eq!((found.modes.len(), found.paths), (1, least));
        counting.counts().gradient_evaluations
    };
    let (first, all) = (cost(4), cost(8));
    assert!(all - first < first, "{first} gradients for four paths, {all} for eight");
}

#[test]
fn the_first_paths_are_those_of_pathfinder_and_threads_do_not_matter() {
    let target = pair(0.9);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| search(&target, 3))
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one, two);
    let alone = crate::init::paths(&target, &ModeOptions::default().path, 3).unwrap();
    assert_eq!(one.first, alone);
}

/// A mode's weight is its mass: here of normalised densities.
#[test]
fn weights_are_masses() {
    let target = Weighted(vec![
        (0.6, Gaussian::new(array![-3.0, 0.0], array![[1.0, 0.6], [0.6, 1.0]])),
        (0.4, Gaussian::new(Array1::from(vec![3.0, 1.0]), array![[0.2, 0.0], [0.0, 2.0]])),
    ]);
    for seed in 1..=SEEDS {
        let found = search(&target, seed);
        let weights: Vec<f64> = found.modes.iter().map(|mode| mode.log_weight.exp()).collect();
        assert_eq!(weights.len(), 2, "seed {seed}");
        for (weight, mode, truth) in [(weights[0], &found.modes[0], 0.6), (weights[1], &found.modes[1], 0.4)] {
            assert!((weight / truth).ln().abs() < 4.0 * mode.standard_error.max(0.01), "{weight} for {truth}");
        }
    }
}
