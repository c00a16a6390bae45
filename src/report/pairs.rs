//! Pairs of parameters on the unconstrained scale: draws, and the ellipses of the fitted Gaussian.

use ndarray::ArrayView1;
use statrs::distribution::{ContinuousCDF, Normal};

use super::loaded_fit::LoadedFit;
use super::plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};
use super::{shortened, summary::Summary};
use crate::diagnostics::quantile;
use crate::document::{SavedCovariance, SavedFamily};
use crate::draws::Draws;

/// Parameters of which all pairs are shown.
const PARAMETERS: usize = 4;
/// Draws that a pair shows.
const DRAWS: usize = 300;
/// The share of the Gaussian inside its ellipses.
const INSIDE: [f64; 2] = [0.5, 0.95];

/// The figures, and whether the fitted Gaussian is in them.
#[derive(Default)]
pub struct Pairs {
    pub figures: Vec<Figure>,
    pub has_ellipses: bool,
}

/// The pairs of those parameters whose draws depart most from the fitted Gaussian, or of the first ones where there is
/// none.
pub fn pairs(fit: &LoadedFit) -> Result<Pairs, PlotError> {
    let Some(draws) = &fit.unconstrained else { return Ok(Pairs::default()) };
    let family = fit.family.as_ref().filter(|family| family.names == draws.names());
    let mut chosen: Vec<usize> = (0..draws.names().len()).collect();
    if let Some(family) = family {
        let departures: Vec<f64> = chosen.iter().map(|&i| departure(draws.values().column(i), family, i)).collect();
        chosen.sort_by(|&i, &j| departures[j].total_cmp(&departures[i]));
    }
    chosen.truncate(PARAMETERS);
    let mut figures = Vec::new();
    for (place, &i) in chosen.iter().enumerate() {
        for &j in &chosen[place + 1..] {
            figures.extend(pair(draws, family, i, j)?);
        }
    }
    Ok(Pairs { figures, has_ellipses: family.is_some() })
}

/// How far the draws' quantiles are from those of the Gaussian, in its standard deviations: the mean over the quantiles
/// from 5 % to 95 %. A shift of one standard deviation is a departure of 1.
fn departure(draws: ArrayView1<f64>, family: &SavedFamily, element: usize) -> f64 {
    let (mean, sd) = (family.mean[element], covariance(family, element, element).sqrt());
    let standard = Normal::standard();
    let mut ascending = draws.to_vec();
    ascending.sort_by(f64::total_cmp);
    let probabilities = (1..20).map(|step| f64::from(step) / 20.0);
    let distance = |p: f64| (quantile(&ascending, p) - (mean + sd * standard.inverse_cdf(p))).abs() / sd;
    let departure = probabilities.map(distance).sum::<f64>() / 19.0;
    if departure.is_nan() { 0.0 } else { departure }
}

fn pair(draws: &Draws, family: Option<&SavedFamily>, i: usize, j: usize) -> Result<Option<Figure>, PlotError> {
    let (x, y) = (draws.values().column(i).to_vec(), draws.values().column(j).to_vec());
    let ellipses = family.map(|family| INSIDE.map(|inside| ellipse(family, i, j, inside)));
    let along = |draws: &[f64], value: fn(&(f64, f64)) -> f64| {
        let summary = Summary::of(draws);
        let spread = [summary.mean - 3.5 * summary.sd, summary.mean + 3.5 * summary.sd];
        let most = draws.iter().copied().filter(|draw| (spread[0]..=spread[1]).contains(draw));
        let gaussian = ellipses.iter().flatten().flatten().map(value);
        let (low, high) = most
            .chain(gaussian)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let margin = 0.04 * (high - low);
        (low - margin, high + margin)
    };
    let (x_range, y_range) = (along(&x, |point| point.0), along(&y, |point| point.1));
    if !(x_range.0 < x_range.1 && y_range.0 < y_range.1) {
        return Ok(None);
    }
    let step = (x.len() / DRAWS).max(1);
    let within = |value: f64, range: (f64, f64)| value >= range.0 && value <= range.1;
    let points = x.iter().copied().zip(y.iter().copied()).step_by(step);
    let points = points.filter(|point| within(point.0, x_range) && within(point.1, y_range)).collect();
    let mut layers = vec![Layer::Cloud(Ink::Fit, points)];
    layers.extend(ellipses.into_iter().flatten().map(|ellipse| Layer::Line(Ink::Gaussian, ellipse)));
    let (x_name, y_name) = (&draws.names()[i], &draws.names()[j]);
    let mut description = format!("Draws of {x_name} and {y_name} on the unconstrained scale");
    if let Some(family) = family {
        let correlation = covariance(family, i, j) / (covariance(family, i, i) * covariance(family, j, j)).sqrt();
        description += &format!(
            " with the ellipses that hold 50 % and 95 % of the fitted Gaussian, whose correlation is {correlation:.2}"
        );
    }
    let axis = |name: &str, range| Axis { label: shortened(name), range, scale: Scale::Linear };
    let plot = Plot {
        name: format!("{x_name} {y_name}"),
        caption: String::new(),
        description: description + ".",
        size: (300, 260),
        x: axis(x_name, x_range),
        y: axis(y_name, y_range),
        layers,
    };
    plot.figure().map(Some)
}

/// The covariance of two elements of the Gaussian, counted from 0.
fn covariance(family: &SavedFamily, i: usize, j: usize) -> f64 {
    match &family.covariance {
        SavedCovariance::Dense(factor) => factor.row(i).dot(&factor.row(j)),
        SavedCovariance::LowRank { psi, lambda } => {
            lambda.row(i).dot(&lambda.row(j)) + if i == j { psi[i] } else { 0.0 }
        }
    }
}

/// The closed curve within which the Gaussian's marginal of elements i and j has the probability `inside`.
fn ellipse(family: &SavedFamily, i: usize, j: usize, inside: f64) -> Vec<(f64, f64)> {
    let radius = (-2.0 * (1.0 - inside).ln()).sqrt();
    let sd = covariance(family, i, i).sqrt();
    // The Cholesky factor of the two elements' covariance.
    let slope = covariance(family, i, j) / sd;
    let rest = (covariance(family, j, j) - slope * slope).max(0.0).sqrt();
    let point = |step: i32| {
        let (sine, cosine) = (f64::from(step) * std::f64::consts::TAU / 60.0).sin_cos();
        let (x, y) = (radius * cosine, radius * sine);
        (family.mean[i] + sd * x, family.mean[j] + slope * x + rest * y)
    };
    (0..=60).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn approximation() -> SavedFamily {
        SavedFamily {
            names: vec!["a".into(), "b".into()],
            mean: array![1.0, -2.0],
            covariance: SavedCovariance::Dense(array![[2.0, 0.0], [1.5, 0.5]]),
        }
    }

    #[test]
    fn covariances_are_those_of_the_saved_form() {
        let elements = |saved: SavedCovariance| {
            let family = SavedFamily { covariance: saved, ..approximation() };
            [(0, 0), (0, 1), (1, 1)].map(|(i, j)| covariance(&family, i, j))
        };
        assert_eq!(elements(SavedCovariance::Dense(array![[2.0, 0.0], [1.0, 3.0]])), [4.0, 2.0, 10.0]);
        let low_rank = SavedCovariance::LowRank { psi: array![1.0, 2.0], lambda: array![[3.0], [4.0]] };
        assert_eq!(elements(low_rank), [10.0, 12.0, 18.0]);
    }

    #[test]
    fn an_ellipse_is_a_line_of_one_mahalanobis_distance() {
        let family = approximation();
        for (x, y) in ellipse(&family, 0, 1, 0.95) {
            // F⁻¹ (x − μ) for the lower triangular F above.
            let first = (x - 1.0) / 2.0;
            let second = (y + 2.0 - 1.5 * first) / 0.5;
            // The 95 % quantile of χ² with 2 degrees of freedom.
            assert!((first * first + second * second - 5.991464547107979).abs() < 1e-9);
        }
    }

    #[test]
    fn draws_of_the_gaussian_do_not_depart_from_it() {
        let standard = Normal::standard();
        let draws = |shift: f64| -> ndarray::Array1<f64> {
            (1..1000).map(|k| 1.0 + shift + 2.0 * standard.inverse_cdf(f64::from(k) / 1000.0)).collect()
        };
        assert!(departure(draws(0.0).view(), &approximation(), 0) < 1e-2);
        assert!((departure(draws(2.0).view(), &approximation(), 0) - 1.0).abs() < 1e-2);
    }
}
