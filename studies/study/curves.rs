//! Curves of several methods in one plot, as SVG.

use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

/// Points of a method, with its name.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// What stands at the two axes, both of them logarithmic.
pub struct Labels<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
}

/// A value so many times the median of the curves' largest ones is off the plot: a single one that was thrown far off
/// would leave no space for the others.
const OFF: f64 = 10.0;

/// Draws `curves` to the file `name` of docs/images, with values below `least`, or off the plot, at its edge.
pub fn draw(name: &str, labels: &Labels<'_>, curves: &[Curve], least: f64) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images").join(name);
    let points = || curves.iter().flat_map(finite);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let x = range(&mut points().map(|point| point.0));
    let mut largest: Vec<f64> = curves.iter().map(|curve| range(&mut finite(curve).map(|point| point.1)).1).collect();
    largest.sort_by(f64::total_cmp);
    let most = (OFF * largest[largest.len() / 2]).max(least);
    let y = range(&mut points().map(|point| point.1.clamp(least, most)));
    let root = SVGBackend::new(&path, (760, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(labels.title, ("sans-serif", 17))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((x.0..x.1).log_scale(), (y.0 / 1.3..y.1 * 1.3).log_scale())?;
    let number = |value: &f64| {
        // Others would stand too close to each other.
        let leading = value / 10_f64.powf((value.log10() + 1e-9).floor());
        match leading.round() as u32 {
            1 | 2 | 5 if (0.01..1e5).contains(value) => format!("{value}"),
            1 | 2 | 5 => format!("{value:.0e}"),
            _ => String::new(),
        }
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(labels.x)
        .y_desc(labels.y)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .draw()?;
    for (index, curve) in curves.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let points: Vec<(f64, f64)> = finite(curve).map(|(x, y)| (x, y.clamp(least, most))).collect();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}

fn finite(curve: &Curve) -> impl Iterator<Item = (f64, f64)> {
    curve.points.iter().copied().filter(|point| point.1.is_finite())
}
