//! Do two models of the same posterior agree? Compared at random points.

use std::time::Instant;

use rand::RngExt;

use super::{EvaluationError, Model};
use crate::random::stream;

/// Half the width of the cube around 0 that points are drawn from, on the unconstrained scale: that of Stan's own
/// inits.
const RADIUS: f64 = 2.0;

/// The most attempts at a point that both models accept, for each point asked for.
const TRIES: usize = 100;

/// The least time that evaluations are timed for, in seconds.
const TIMED_SECONDS: f64 = 0.05;

/// How two models of the same posterior differ. Differences are relative to sizes as the fields say, and NaN or infinite
/// where one of the two is not finite.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Agreement {
    /// Points that both models accept.
    pub points: usize,
    /// Points that one of the models alone rejects.
    pub rejected_by_one: usize,
    /// The largest difference of log densities, less that at the point where they are smallest in size, over their size
    /// and 1.
    pub log_density: f64,
    /// The largest difference of scores' elements, over the largest size of an element of that score and 1.
    pub score: f64,
    /// The element that differs most, as an index.
    pub score_element: usize,
    /// The largest difference of constrained parameters and transformed parameters, over their sizes and 1.
    pub constrained: f64,
    /// The quantity that differs most, as an index into the names.
    pub constrained_quantity: usize,
    /// The first difference between the models' names, in words.
    pub names: Option<String>,
    /// Seconds per log density with score, of each model.
    pub score_seconds: [f64; 2],
    /// Seconds per log density, of each model.
    pub log_density_seconds: [f64; 2],
}

/// Compares two models at `points` random points of `seed`. Only where names or dimensions differ is nothing else
/// compared.
///
/// # Errors
/// Where a model can be evaluated nowhere.
pub fn compare_models([one, other]: [&dyn Model; 2], points: usize, seed: u64) -> Result<Agreement, EvaluationError> {
    let mut found = Agreement {
        names: different_names(one, other),
        score_seconds: [f64::NAN; 2],
        log_density_seconds: [f64::NAN; 2],
        ..Agreement::default()
    };
    if found.names.is_some() {
        return Ok(found);
    }
    let mut rng = stream(seed, 0);
    let mut x = vec![0.0; one.dim()];
    let mut scores = [x.clone(), x.clone()];
    let mut constrained = [vec![0.0; one.transformed_parameter_count()], vec![0.0; one.transformed_parameter_count()]];
    let mut log_densities: Vec<[f64; 2]> = Vec::new();
    let mut last_rejection = EvaluationError::NotFinite;
    for _ in 0..points.saturating_mul(TRIES) {
        if log_densities.len() == points {
            break;
        }
        x.fill_with(|| rng.random_range(-RADIUS..RADIUS));
        let [first, second] = &mut scores;
        match (one.log_density_and_score(&x, first), other.log_density_and_score(&x, second)) {
            (Ok(a), Ok(b)) => log_densities.push([a, b]),
            (Err(error), Err(_)) => {
                last_rejection = error;
                continue;
            }
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => {
                found.rejected_by_one += 1;
                last_rejection = error;
                continue;
            }
        }
        let size = first.iter().chain(&*second).fold(1.0_f64, |most, element| most.max(element.abs()));
        raise(&mut found.score, &mut found.score_element, first, second, |_, _| size);
        let [first, second] = &mut constrained;
        one.constrain_transformed(&x, first)?;
        other.constrain_transformed(&x, second)?;
        let size = |a: f64, b: f64| a.abs().max(b.abs()).max(1.0);
        raise(&mut found.constrained, &mut found.constrained_quantity, first, second, size);
        if log_densities.len() == 1 {
            found.score_seconds = [one, other].map(|model| {
                seconds(|| {
                    let _ = model.log_density_and_score(&x, &mut scores[0]);
                })
            });
            found.log_density_seconds = [one, other].map(|model| {
                seconds(|| {
                    let _ = model.log_density(&x);
                })
            });
        }
    }
    if log_densities.is_empty() {
        return Err(last_rejection);
    }
    found.points = log_densities.len();
    found.log_density = spread(&log_densities);
    Ok(found)
}

/// The first difference between names, in words.
fn different_names(one: &dyn Model, other: &dyn Model) -> Option<String> {
    let lists = [
        (one.names().to_vec(), other.names().to_vec(), "quantity"),
        (one.unconstrained_names(), other.unconstrained_names(), "unconstrained parameter"),
    ];
    let differing = |(one, other, kind): &(Vec<String>, Vec<String>, &str)| {
        let index = (0..one.len().max(other.len())).find(|&index| one.get(index) != other.get(index))?;
        let name = |names: &[String]| names.get(index).map_or("missing".to_owned(), |name| format!("`{name}`"));
        Some(format!("{kind} {} is {} in one and {} in the other", index + 1, name(one), name(other)))
    };
    let counts = (one.parameter_count(), one.transformed_parameter_count());
    let other_counts = (other.parameter_count(), other.transformed_parameter_count());
    let counted = (counts != other_counts).then(|| {
        format!("parameters and transformed parameters are {counts:?} in one and {other_counts:?} in the other")
    });
    lists.iter().find_map(differing).or(counted)
}

/// Raises `largest` to the largest difference of two vectors relative to a size, and `place` to where it is.
fn raise(largest: &mut f64, place: &mut usize, one: &[f64], other: &[f64], size: impl Fn(f64, f64) -> f64) {
    for (index, (&a, &b)) in one.iter().zip(other).enumerate() {
        let both_undefined = a.is_nan() && b.is_nan();
        let difference = if a == b || both_undefined { 0.0 } else { (a - b).abs() / size(a, b) };
        if difference > *largest || difference.is_nan() {
            (*largest, *place) = (difference, index);
        }
    }
}

/// The largest deviation of the differences of pairs from that of the smallest pair, each over its own size and 1: far
/// from the posterior a log density may be of any size, which must not hide what differs elsewhere.
fn spread(pairs: &[[f64; 2]]) -> f64 {
    let size = |[a, b]: &[f64; 2]| a.abs().max(b.abs()).max(1.0);
    let smallest = pairs.iter().min_by(|one, other| size(one).total_cmp(&size(other)));
    let constant = smallest.map_or(0.0, |[a, b]| a - b);
    let deviations = pairs.iter().map(|pair| (pair[0] - pair[1] - constant).abs() / size(pair));
    // A deviation that is no number is the largest.
    deviations.fold(0.0, |most: f64, it| if it > most || it.is_nan() { it } else { most })
}

/// Seconds that one call of `work` takes.
fn seconds(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed().as_secs_f64() < TIMED_SECONDS {
        work();
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Density, Unconstrained};

    /// A normal density with this scale of its second coordinate, and a constant more.
    fn normal(scale: f64, constant: f64) -> Unconstrained<impl super::super::Target> {
        Unconstrained::new(Density::new(2, move |x: &[f64], score: &mut [f64]| {
            score.copy_from_slice(&[-x[0], -x[1] / (scale * scale)]);
            constant - 0.5 * (x[0] * x[0] + x[1] * x[1] / (scale * scale))
        }))
    }

    #[test]
    fn a_constant_is_no_difference() {
        let found = compare_models([&normal(1.0, 0.0), &normal(1.0, -3.5)], 20, 1).unwrap();
        assert!(found.log_density < 1e-14, "{found:?}");
        assert_eq!((found.points, found.score, found.constrained, found.names), (20, 0.0, 0.0, None));
    }

    #[test]
    fn another_scale_is_found_in_its_coordinate() {
        let found = compare_models([&normal(1.0, 0.0), &normal(1.1, 0.0)], 20, 1).unwrap();
        assert!(found.log_density > 1e-3 && found.score > 1e-2, "{found:?}");
        assert_eq!(found.score_element, 1);
    }

    #[test]
    fn a_difference_is_found_beside_a_log_density_of_any_size() {
        assert!(spread(&[[-1e100, -1e100], [1.0, 2.0], [3.0, 4.0]]) < 1e-99);
        assert_eq!(spread(&[[-1e100, -1e100], [1.0, 2.0], [3.0, 5.0]]), 0.2);
        assert_eq!(spread(&[[-1e100, -2e100], [1.0, 2.0]]), 0.5);
        assert!(spread(&[[1.0, 1.0], [2.0, f64::NAN], [3.0, 3.0]]).is_nan());
        assert!(spread(&[[1.0, 1.0], [f64::NEG_INFINITY, f64::INFINITY], [3.0, 3.0]]).is_nan());
    }

    #[test]
    fn other_names_are_said() {
        let named = |name: &str| Unconstrained::with_names(normal(1.0, 0.0), vec!["a".into(), name.into()]).unwrap();
        let found = compare_models([&named("b"), &named("c")], 20, 1).unwrap();
        assert_eq!(found.names.unwrap(), "quantity 2 is `b` in one and `c` in the other");
    }

    #[test]
    fn nothing_is_said_of_models_that_reject_every_point() {
        let nowhere = Unconstrained::new(Density::new(1, |_: &[f64], _: &mut [f64]| f64::NAN));
        assert!(compare_models([&nowhere, &nowhere], 3, 1).is_err());
    }
}
