//! The errors of each parameter against the reference, with the floor that the reference's own draws give.

use super::numbers::fixed;
use super::plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};
use super::shortened;
use crate::compare::TOLERANCE;
use crate::document::ComparedParameter;

/// Parameters that the figures show.
pub const ROWS: usize = 20;
/// The largest error on an axis: larger ones, and infinite ones, are put there.
const LARGEST: f64 = 100.0;

/// An error's name, its value, its floor, and whether it has a tolerance. Where it has, what is null is infinite: of the
/// distance it may also be that the reference keeps no draws.
type Kind = (&'static str, Part, Part, bool);

/// A number of a compared parameter.
type Part = fn(&ComparedParameter) -> Option<f64>;

const KINDS: [Kind; 3] = [
    ("location error, in reference sd", |it| it.location_error, |it| it.location_floor, true),
    ("error of ln sd", |it| it.log_scale_error, |it| it.log_scale_floor, true),
    ("1-Wasserstein distance, in reference sd", |it| it.w1, |it| it.w1_floor, false),
];

/// How far a parameter is off: the larger of its errors of location and scale.
pub fn severity(it: &ComparedParameter) -> f64 {
    or_infinite(it.location_error).max(or_infinite(it.log_scale_error))
}

/// JSON has no infinity: an error for which there is a tolerance is infinite where it is null.
pub fn or_infinite(error: Option<f64>) -> f64 {
    error.unwrap_or(f64::INFINITY)
}

/// A figure for each kind of error, of the `worst` parameters, the worst first.
pub fn errors(worst: &[&ComparedParameter]) -> Result<Vec<Figure>, PlotError> {
    let worst = &worst[..worst.len().min(ROWS)];
    if worst.is_empty() {
        return Ok(Vec::new());
    }
    KINDS
        .iter()
        .filter(|kind| kind.3 || worst.iter().any(|it| kind.1(it).is_some()))
        .map(|kind| figure(kind, worst))
        .collect()
}

fn figure(&(label, error, floor, has_tolerance): &Kind, worst: &[&ComparedParameter]) -> Result<Figure, PlotError> {
    let error = |it: &ComparedParameter| error(it).or(has_tolerance.then_some(f64::INFINITY));
    let at = |value: &dyn Fn(&ComparedParameter) -> Option<f64>| {
        let rows = worst.iter().enumerate();
        rows.filter_map(|(row, it)| Some((value(it)?.min(LARGEST), row as f64))).collect::<Vec<_>>()
    };
    let (dots, floors) = (at(&error), at(&floor));
    let largest_error = worst.iter().filter_map(|it| error(it)).fold(0.0, f64::max);
    let largest = dots.iter().chain(&floors).map(|dot| dot.0).fold(1.2 * TOLERANCE, f64::max);
    let rows = worst.len() as f64;
    let tolerance = Layer::Line(Ink::Limit, vec![(TOLERANCE, -0.5), (TOLERANCE, rows - 0.5)]);
    let mut layers = if has_tolerance { vec![tolerance] } else { Vec::new() };
    let mut description = format!("{label}, of {} parameters; the largest is {}", worst.len(), fixed(largest_error, 3));
    if has_tolerance {
        let outside = dots.iter().filter(|dot| dot.0 > TOLERANCE).count();
        description += &format!("; {outside} are above the tolerance of {TOLERANCE}");
    }
    if !floors.is_empty() {
        layers.push(Layer::Strokes(Ink::Reference, floors));
    }
    layers.push(Layer::Dots(Ink::Fit, dots));
    let (range, scale) =
        if largest <= 1.0 { ((0.0, 1.05 * largest), Scale::Linear) } else { ((1e-3, 1.3 * largest), Scale::Log) };
    let plot = Plot {
        name: String::new(),
        caption: String::new(),
        description: description + ".",
        size: (340, 44 + 17 * worst.len() as u32),
        x: Axis { label: label.to_owned(), range, scale },
        y: Axis {
            label: String::new(),
            range: (-0.5, rows - 0.5),
            scale: Scale::Rows(worst.iter().map(|it| shortened(&it.name)).collect()),
        },
        layers,
    };
    plot.figure()
}
