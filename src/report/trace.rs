//! The course of a fit: score divergence and evidence lower bound over gradient evaluations.

use super::loaded_fit::TraceLine;
use super::numbers::number;
use super::plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};
use crate::diagnostics::quantile;

/// A line has at most so many points, beside the last.
const POINTS: usize = 400;
/// A score divergence below which nothing can be seen on an axis.
const SMALLEST: f64 = 1e-12;

/// The two figures; those without two finite values are left out.
pub fn traces(trace: &[TraceLine]) -> Result<Vec<Figure>, PlotError> {
    let divergence = points(trace, |line| line.score_divergence).into_iter().filter(|point| point.1 > 0.0);
    let divergence: Vec<_> = divergence.map(|(x, y)| (x, y.max(SMALLEST))).collect();
    let elbo = points(trace, |line| line.elbo);
    let figures = [
        figure("score divergence per dimension", divergence, Scale::Log),
        figure("evidence lower bound", elbo, Scale::Linear),
    ];
    figures.into_iter().filter_map(Result::transpose).collect()
}

fn points(trace: &[TraceLine], value: fn(&TraceLine) -> f64) -> Vec<(f64, f64)> {
    let step = trace.len().div_ceil(POINTS).max(1);
    let last = trace.last().filter(|_| !(trace.len() - 1).is_multiple_of(step));
    let thinned = trace.iter().step_by(step).chain(last);
    let points = thinned.map(|line| (line.gradient_evaluations as f64, value(line)));
    points.filter(|point| point.1.is_finite()).collect()
}

fn figure(label: &str, points: Vec<(f64, f64)>, scale: Scale) -> Result<Option<Figure>, PlotError> {
    let [first, .., last] = points[..] else { return Ok(None) };
    if first.0 >= last.0 {
        return Ok(None);
    }
    let y_range = match scale {
        Scale::Log => log_range(&points),
        _ => settled_range(&points),
    };
    let plot = Plot {
        name: String::new(),
        caption: String::new(),
        description: format!(
            "Line of the {label} over gradient evaluations: from {} at {} to {} at {}.",
            number(first.1),
            first.0,
            number(last.1),
            last.0
        ),
        size: (400, 230),
        x: Axis { label: "gradient evaluations".into(), range: (first.0, last.0), scale: Scale::Linear },
        y: Axis { label: label.into(), range: y_range, scale },
        layers: vec![Layer::Line(Ink::Fit, points)],
    };
    plot.figure().map(Some)
}

fn ends(points: &[(f64, f64)]) -> (f64, f64) {
    points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.1), high.max(point.1)))
}

/// From below the smallest to above the largest, at least a decade.
fn log_range(points: &[(f64, f64)]) -> (f64, f64) {
    let (low, high) = ends(points);
    let middle = (low * high).sqrt();
    ((low / 1.2).min(middle / 3.2), (high * 1.2).max(middle * 3.2))
}

/// A range in which the end of a fit can be seen: the first iterations may be lower by powers of ten.
fn settled_range(points: &[(f64, f64)]) -> (f64, f64) {
    let (low, high) = ends(points);
    let mut ascending: Vec<f64> = points.iter().map(|point| point.1).collect();
    ascending.sort_by(f64::total_cmp);
    let most = quantile(&ascending, 0.1);
    let from = low.max(most - 0.5 * (high - most));
    let margin = (0.05 * (high - from)).max(1e-6 * high.abs().max(1e-6));
    (from - margin, high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_course_ends_where_the_fit_ends() {
        for count in [1, 2, 400, 401, 1001, 4000] {
            let line = |k: u64| TraceLine { gradient_evaluations: k, score_divergence: 1.0, elbo: k as f64 };
            let trace: Vec<TraceLine> = (1..=count).map(line).collect();
            let points = points(&trace, |line| line.elbo);
            assert!(points.len() <= POINTS + 1 && points.is_sorted_by(|a, b| a.0 < b.0));
            assert_eq!((points[0].0, points.last().unwrap().0), (1.0, count as f64));
        }
    }
}
