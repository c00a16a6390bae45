//! Which draws belong to which mode: a row of draws for each.

use std::collections::HashMap;

use ndarray::Axis as Along;

use super::loaded_fit::LoadedFit;
use super::numbers::fixed;
use super::plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};
use super::{shortened, summary::Summary};
use crate::document::ModesRecord;

/// Parameters that are shown.
const PARAMETERS: usize = 4;
/// Modes that are shown.
const ROWS: usize = 12;
/// Draws that a figure shows.
const DRAWS: usize = 600;
/// How far the draws of a row are spread over its height, which is 1.
const SPREAD: f64 = 0.7;

/// The draws by their modes, for those parameters that tell the modes apart best; nothing where there is one mode.
pub fn modes(fit: &LoadedFit) -> Result<Vec<Figure>, PlotError> {
    let Some(record) = &fit.document.modes else { return Ok(Vec::new()) };
    if record.modes.len() < 2 || record.members.len() != fit.draws.len() {
        return Ok(Vec::new());
    }
    let names: HashMap<&str, usize> =
        fit.draws.names().iter().enumerate().map(|(column, name)| (name.as_str(), column)).collect();
    let parameters = record.modes.iter().flat_map(|mode| &mode.centre).map(|parameter| parameter.name.as_str());
    let mut apart: Vec<(f64, usize)> = Vec::new();
    for parameter in parameters.take(record.modes[0].centre.len()) {
        if let Some(&column) = names.get(parameter) {
            let values = fit.draws.values().index_axis(Along(1), column).to_vec();
            apart.push((share_between(&values, record), column));
        }
    }
    // Stable: of equal ones the first.
    apart.sort_by(|a, b| b.0.total_cmp(&a.0));
    let figures = apart.iter().take(PARAMETERS).map(|&(_, column)| {
        let values = fit.draws.values().index_axis(Along(1), column).to_vec();
        figure(&fit.draws.names()[column], &values, record)
    });
    Ok(figures.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The part of the variance of `values` that lies between the modes, from 0 to 1.
fn share_between(values: &[f64], record: &ModesRecord) -> f64 {
    let all = Summary::of(values);
    let mut sums: HashMap<u64, (f64, f64)> = HashMap::new();
    for (value, member) in values.iter().zip(&record.members) {
        let (count, sum) = sums.entry(*member).or_default();
        (*count, *sum) = (*count + 1.0, *sum + value);
    }
    let between: f64 = sums.values().map(|(count, sum)| count * (sum / count - all.mean).powi(2)).sum();
    let share = between / values.len() as f64 / (all.sd * all.sd);
    if share.is_nan() { 0.0 } else { share }
}

fn figure(name: &str, values: &[f64], record: &ModesRecord) -> Result<Option<Figure>, PlotError> {
    let (low, high) = values
        .iter()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    if low >= high {
        return Ok(None);
    }
    let rows = record.modes.len().min(ROWS);
    let step = (values.len() / DRAWS).max(1);
    let mut points = Vec::new();
    for (index, (&value, &member)) in values.iter().zip(&record.members).enumerate().step_by(step) {
        if (member as usize) < rows && value.is_finite() {
            // Multiples of the golden ratio fill the height evenly.
            let part = (index as f64 / step as f64 * 0.618_033_988_749_895).fract();
            points.push((value, member as f64 + SPREAD * (part - 0.5)));
        }
    }
    let label = |index: usize| match record.modes[index].share {
        Some(share) => format!("mode {}: {} %", index + 1, fixed(100.0 * share, 1)),
        None => format!("mode {}", index + 1),
    };
    let labels: Vec<String> = (0..rows).map(label).collect();
    let margin = 0.04 * (high - low);
    let plot = Plot {
        name: name.to_owned(),
        caption: String::new(),
        description: format!("Draws of {name} in each mode: {}.", labels.join(", ")),
        size: (340, 60 + 34 * rows as u32),
        x: Axis { label: shortened(name), range: (low - margin, high + margin), scale: Scale::Linear },
        y: Axis { label: String::new(), range: (-0.5, rows as f64 - 0.5), scale: Scale::Rows(labels) },
        layers: vec![Layer::Cloud(Ink::Fit, points)],
    };
    plot.figure().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ModeParameter, ModeRecord};

    fn record() -> ModesRecord {
        let mode = |value: f64, share| ModeRecord {
            share: Some(share),
            share_mcse: Some(0.01),
            paths: 3,
            image_of: None,
            centre: vec![ModeParameter { name: "mu".to_owned(), value: Some(value) }],
        };
        ModesRecord {
            paths: 14,
            symmetries: Vec::new(),
            modes: vec![mode(-5.0, 0.5), mode(5.0, 0.5)],
            members: vec![0, 1, 0, 1],
        }
    }

    #[test]
    fn the_variance_between_modes_tells_them_apart() {
        let apart = share_between(&[-5.0, 5.0, -5.1, 5.1], &record());
        // With n − 1 in the variance of four values it is three quarters at most.
        assert!((apart - 0.75).abs() < 1e-3, "{apart}");
        assert!(share_between(&[1.0, 1.0, -1.0, -1.0], &record()).abs() < 1e-12);
    }

    #[test]
    fn each_mode_has_a_row_with_its_share() {
        let drawn = figure("mu", &[-5.0, 5.0, -5.1, 5.1], &record()).unwrap().unwrap();
        let text = serde_json::to_string(&drawn).unwrap();
        assert!(text.contains("mode 1: 50.0 %") && text.contains("mode 2: 50.0 %"), "{text}");
        assert_eq!(figure("mu", &[1.0; 4], &record()).unwrap(), None);
    }
}
