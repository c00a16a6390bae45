//! The marginal of a parameter, of the fit and of the reference over each other.

use super::histogram::{Histogram, common_range};
use super::numbers::number;
use super::plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};
use super::{shortened, summary::Summary};

const BINS: usize = 30;

/// The marginal of the quantity `name`; none where it has no finite draw.
pub fn marginal(name: &str, draws: &[f64], reference: Option<&[f64]>) -> Result<Option<Figure>, PlotError> {
    let sets: Vec<&[f64]> = [Some(draws), reference].into_iter().flatten().collect();
    let Some(range) = common_range(&sets) else { return Ok(None) };
    let ours = Histogram::new(draws, range, BINS);
    let mut layers = vec![Layer::Area(Ink::Fit, ours.outline())];
    let mut height = ours.height();
    let mut description = format!("Histogram of {name}: {}", in_words("the fit", draws));
    if let Some(reference) = reference {
        let theirs = Histogram::new(reference, range, BINS);
        height = height.max(theirs.height());
        layers.push(Layer::Line(Ink::Reference, theirs.outline()));
        description += &format!("; {}", in_words("the reference", reference));
    }
    let plot = Plot {
        name: name.to_owned(),
        caption: shortened(name),
        description: description + ".",
        size: (300, 150),
        x: Axis { range, ..Axis::default() },
        y: Axis { range: (0.0, 1.08 * height), scale: Scale::Bare, ..Axis::default() },
        layers,
    };
    plot.figure().map(Some)
}

fn in_words(whose: &str, draws: &[f64]) -> String {
    let it = Summary::of(draws);
    format!(
        "{whose} has mean {}, standard deviation {} and 90 % of its draws from {} to {}",
        number(it.mean),
        number(it.sd),
        number(it.q5),
        number(it.q95)
    )
}
