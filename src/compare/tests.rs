use super::*;
use crate::draws::{ReferenceInfo, Summaries};
use ndarray::Array2;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

fn draws(columns: &[(&str, Vec<f64>)]) -> Draws {
    let rows = columns[0].1.len();
    let names = columns.iter().map(|(name, _)| name.to_string()).collect();
    let values = Array2::from_shape_fn((rows, columns.len()), |(row, column)| columns[column].1[row]);
    Draws::new(names, values, vec![rows]).unwrap()
}

fn reference(columns: &[(&str, Vec<f64>)]) -> Reference {
    Reference { name: "ref".into(), draws: draws(columns), info: ReferenceInfo::default() }
}

fn normal(count: usize, seed: u64) -> Vec<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..count).map(|_| StandardNormal.sample(&mut random)).collect()
}

/// What a reference without draws of a standard normal `x` and a heavy-tailed `y` says of them.
fn summaries() -> Summaries {
    let two = |x: f64, y: f64| vec![x, y];
    Summaries {
        names: vec!["x[1]".into(), "y".into()],
        mean: two(0.0, 1e9),
        sd: two(1.0, 1e12),
        q16: two(-1.0, 3.0),
        q50: two(0.0, 4.0),
        q84: two(1.0, 5.0),
        heavy_tailed: vec![false, true],
        ..Summaries::default()
    }
}

#[test]
fn quantities_without_reference_draws_are_compared_by_what_is_known_of_them() {
    let (mu, x, noise) = (normal(20_000, 30), normal(20_000, 31), normal(20_000, 32));
    let moved: Vec<f64> = x.iter().map(|x| 0.3 + 1.5 * x).collect();
    let y: Vec<f64> = noise.iter().map(|z| 4.0 + z).collect();
    let mut theirs = reference(&[("mu", mu.clone())]);
    theirs.info.summaries = summaries();
    let comparison = compare(&draws(&[("y", y.clone()), ("x.1", moved), ("mu", mu.clone())]), &theirs).unwrap();
    let [kept, x, heavy] = comparison.parameters.as_slice() else { panic!("{comparison:?}") };
    assert_eq!((kept.location_error, kept.w1, comparison.mean_w1, comparison.max_w1), (0.0, 0.0, 0.0, 0.0));
    assert!((x.location_error - 0.3).abs() < 0.04 && (x.log_scale_error - 1.5_f64.ln()).abs() < 0.03, "{x:?}");
    assert!(heavy.robust && heavy.location_error < 0.04 && heavy.log_scale_error < 0.03 && heavy.w1.is_nan());
    assert!(!comparison.within_tolerance && comparison.left_out.is_empty());
    assert!(x.w1.is_nan());
    let lacking = compare(&draws(&[("y", y), ("mu", mu)]), &theirs).unwrap_err().to_string();
    assert!(lacking.contains("x[1]"), "{lacking}");
}

#[test]
fn draws_of_the_reference_itself_have_no_error() {
    let columns = [("mu", normal(1000, 1)), ("theta[1,2]", normal(1000, 2))];
    let comparison = compare(&draws(&columns), &reference(&columns)).unwrap();
    assert!(comparison.within_tolerance);
    let c = &comparison;
    assert_eq!([c.max_location_error, c.max_log_scale_error, c.mean_w1, c.max_w1], [0.0; 4]);
    assert_eq!(comparison.reference_draws, 1000);
}

#[test]
fn quantities_are_matched_by_name_and_the_rest_is_told() {
    let x = normal(1000, 3);
    let far: Vec<f64> = x.iter().map(|x| x + 10.0).collect();
    let ours = [("lp__", far.clone()), ("theta.2.1", far), ("y_rep[1]", vec![f64::NAN; 1000]), ("mu", x.clone())];
    let theirs =
        reference(&[("mu", x.clone()), ("lp__", x.clone()), ("theta[2,1]", x.iter().map(|x| x + 10.0).collect())]);
    let comparison = compare(&draws(&ours), &theirs).unwrap();
    let names: Vec<&str> = comparison.parameters.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["mu", "theta[2,1]"]);
    assert_eq!(comparison.max_location_error, 0.0);
    assert_eq!(comparison.left_out, ["y_rep[1]"]);
}

#[test]
fn a_reference_with_quantities_that_the_draws_lack_is_an_error_that_names_them() {
    let x = normal(10, 4);
    let names: Vec<String> = (1..=12).map(|i| format!("theta[{i}]")).collect();
    let mut columns: Vec<(&str, Vec<f64>)> = names.iter().map(|name| (name.as_str(), x.clone())).collect();
    columns.push(("mu", x.clone()));
    let message = compare(&draws(&[("mu", x)]), &reference(&columns)).unwrap_err().to_string();
    assert_eq!(
        message,
        "the draws lack 12 of the 13 quantities of the reference `ref`: theta[1], theta[2], theta[3], theta[4], theta[5], \
         theta[6], theta[7], theta[8] and 4 more"
    );
}

#[test]
fn a_draw_that_is_not_finite_is_named() {
    let mut x = normal(10, 5);
    let theirs = reference(&[("tau", x.clone())]);
    for (value, shown) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        x[6] = value;
        let message = compare(&draws(&[("tau", x.clone())]), &theirs).unwrap_err().to_string();
        assert_eq!(message, format!("`tau` has the value {shown} in the draws, first at draw 7"));
    }
}

#[test]
fn one_draw_is_too_few() {
    let theirs = reference(&[("mu", vec![1.0, 2.0])]);
    let error = compare(&draws(&[("mu", vec![1.0])]), &theirs).unwrap_err();
    assert_eq!(error, CompareError::TooFew { of: "the draws" });
    let nothing = reference(&[("lp__", vec![1.0, 2.0])]);
    let error = compare(&draws(&[("mu", vec![1.0, 2.0])]), &nothing).unwrap_err();
    assert_eq!(error, CompareError::NoQuantities("ref".into()));
}

#[test]
fn heavy_tails_are_compared_by_quantiles() {
    // tan(π(u − ½)) is Cauchy: its quantiles at 16 and 84 % are ∓cot(0.16 π). The largest come first, so the halves
    // differ.
    let cauchy = |u: f64| (std::f64::consts::PI * (u - 0.5)).tan();
    let mut grid: Vec<f64> = (0..20_000).map(|i| cauchy((f64::from(i) + 0.5) / 20_000.0)).collect();
    grid.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    let theirs = reference(&[("x", grid.clone())]);
    let doubled: Vec<f64> = grid.iter().map(|x| 1.0 + 2.0 * x).collect();
    let parameter = &compare(&draws(&[("x", doubled)]), &theirs).unwrap().parameters[0];
    let scale = 1.0 / (0.16 * std::f64::consts::PI).tan();
    assert!(parameter.robust);
    assert!(parameter.reference_location.abs() < 1e-3 && (parameter.reference_scale / scale - 1.0).abs() < 1e-3);
    assert!((parameter.location_error - 1.0 / scale).abs() < 2e-3);
    assert!((parameter.log_scale_error - 2.0_f64.ln()).abs() < 1e-3);
}

/// What is within tolerance must not depend on luck: 4 000 exact draws of 30 quantities.
#[test]
fn exact_draws_are_within_tolerance() {
    let names: Vec<String> = (0..30).map(|i| format!("x[{i}]")).collect();
    let columns = |count, seed: u64| -> Vec<(&str, Vec<f64>)> {
        names.iter().enumerate().map(|(i, name)| (name.as_str(), normal(count, seed + i as u64))).collect()
    };
    let theirs = reference(&columns(10_000, 100));
    for seed in [1000, 2000, 3000] {
        let comparison = compare(&draws(&columns(4000, seed)), &theirs).unwrap();
        assert!(comparison.within_tolerance && comparison.parameters.iter().all(|it| !it.robust), "{comparison:?}");
        assert!(comparison.mean_w1 > 0.0 && comparison.max_w1 < 0.1);
    }
}

#[test]
fn infinite_errors_are_outside_tolerance() {
    let theirs = reference(&[("L[1,1]", vec![1.0; 100]), ("L[2,2]", normal(100, 7))]);
    let ours = draws(&[("L[1,1]", vec![2.0; 100]), ("L[2,2]", normal(100, 7))]);
    let comparison = compare(&ours, &theirs).unwrap();
    assert!(!comparison.within_tolerance);
    assert_eq!([comparison.max_location_error, comparison.parameters[0].w1], [f64::INFINITY; 2]);
    assert_eq!(comparison.parameters[1].w1, 0.0);
}

/// Means over the quantities have little noise, so that exact draws and their floor agree closely.
#[test]
fn exact_draws_are_at_the_floor() {
    let names: Vec<String> = (0..60).map(|i| format!("x[{i}]")).collect();
    let columns = |count, seed: u64| -> Vec<(&str, Vec<f64>)> {
        names.iter().enumerate().map(|(i, name)| (name.as_str(), normal(count, seed + i as u64))).collect()
    };
    let it = compare(&draws(&columns(500, 7000)), &reference(&columns(2000, 8000))).unwrap();
    let Floor { mean_location_floor, mean_log_scale_floor, mean_w1_floor, .. } = it.floor;
    // The mean of |z| with z normal of variance 1/500 + 1/2000.
    assert!((mean_location_floor / (2.0 / std::f64::consts::PI * 0.0025).sqrt() - 1.0).abs() < 0.1, "{:?}", it.floor);
    for (error, floor) in [
        (it.mean_location_error, mean_location_floor),
        (it.mean_log_scale_error, mean_log_scale_floor),
        (it.mean_w1, mean_w1_floor),
        (it.sliced_w1, it.floor.sliced_w1_floor),
        (it.max_location_error, it.floor.max_location_floor),
        (it.max_w1, it.floor.max_w1_floor),
    ] {
        assert!((0.6..1.6).contains(&(error / floor)), "{error} and {floor}");
    }
    assert!(it.energy_distance.abs() < 4.0 * it.floor.energy_distance_floor);
    let one = &it.parameters[0].floor;
    assert!(one.location_floor > 0.0 && one.log_scale_floor > 0.0 && one.w1_floor > 0.0);
}

#[test]
fn a_constant_has_no_part_in_joint_distances() {
    let (x, y) = (normal(200, 20), normal(100, 21));
    let with = |constant: f64, x: &[f64]| [("c", vec![constant; x.len()]), ("x", x.to_vec())];
    let both = compare(&draws(&with(3.0, &y)), &reference(&with(1.0, &x))).unwrap();
    let alone = compare(&draws(&[("x", y.clone())]), &reference(&[("x", x)])).unwrap();
    assert_eq!((both.sliced_w1, both.energy_distance), (alone.sliced_w1, alone.energy_distance));
    assert!(!both.within_tolerance && both.parameters[0].floor.w1_floor == 0.0);
    let nothing = compare(&draws(&[("c", vec![1.0; 5])]), &reference(&[("c", vec![1.0; 9])])).unwrap();
    assert!(nothing.within_tolerance && nothing.energy_distance.is_nan() && nothing.floor.sliced_w1_floor.is_nan());
}

#[test]
fn a_rare_count_is_no_constant() {
    // Nine draws in ten are 0; the others are counts with a heavy tail.
    let count =
        |row: usize, rare: usize| if row.is_multiple_of(rare) { (1e4 / (1.0 + row as f64)).ceil() } else { 0.0 };
    let counts = |rare: usize| -> Vec<f64> { (0..10_000).map(|row| count(row, rare)).collect() };
    let theirs = reference(&[("n", counts(10))]);
    let same = compare(&draws(&[("n", counts(10))]), &theirs).unwrap();
    assert!(same.within_tolerance && !same.parameters[0].constant && !same.parameters[0].robust, "{same:?}");
    let zero = &compare(&draws(&[("n", vec![0.0; 500])]), &theirs).unwrap().parameters[0];
    assert!(zero.location_error.is_finite() && zero.location_error > 0.0 && zero.log_scale_error == f64::INFINITY);
    let constant = compare(&draws(&[("n", counts(10))]), &reference(&[("n", vec![0.0; 500])])).unwrap();
    assert!(constant.parameters[0].constant && constant.max_location_error == f64::INFINITY);
}

#[test]
fn a_rare_indicator_does_not_take_the_floors_from_the_others() {
    let indicator: Vec<f64> = (0..2000).map(|row| f64::from(u8::from(row == 7))).collect();
    let x = [("x", normal(2000, 40))];
    let both = [x[0].clone(), ("rare", indicator)];
    let (with, without) = (reference(&both), reference(&x));
    let (with, without) = (compare(&draws(&both), &with).unwrap(), compare(&draws(&x), &without).unwrap());
    assert_eq!(with.floor.max_log_scale_floor, without.floor.max_log_scale_floor);
    assert_eq!(with.floor.mean_log_scale_floor, without.floor.mean_log_scale_floor);
    assert!(with.floor.max_location_floor.is_finite() && !with.parameters[1].floor.log_scale_floor.is_finite());
}

#[test]
fn few_reference_draws_give_no_floor() {
    let few = compare(&draws(&[("x", normal(50, 1))]), &reference(&[("x", normal(15, 2))])).unwrap();
    assert!(
        few.floor.mean_w1_floor.is_nan() && few.floor.energy_distance_floor.is_nan() && few.energy_distance.is_finite()
    );
    assert!(few.floor.max_w1_floor.is_nan());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_shift_and_a_stretch_are_told_exactly(seed in 0_u64..1000, shift in -3.0..3.0_f64, factor in 0.3..3.0_f64) {
        let x = normal(2000, seed);
        let theirs = reference(&[("x", x.clone())]);
        let known = &compare(&draws(&[("x", x.clone())]), &theirs).unwrap().parameters[0];
        let (centre, scale) = (known.reference_location, known.reference_scale);
        let moved: Vec<f64> = x.iter().map(|x| centre + shift * scale + factor * (x - centre)).collect();
        let comparison = compare(&draws(&[("x", moved)]), &theirs).unwrap();
        let error = &comparison.parameters[0];
        prop_assert!((error.location_error - shift.abs()).abs() < 1e-9);
        prop_assert!((error.log_scale_error - factor.ln().abs()).abs() < 1e-9);
        let within = shift.abs() <= TOLERANCE && factor.ln().abs() <= TOLERANCE;
        prop_assert_eq!(comparison.within_tolerance, within);
    }
}
