//! A plot drawn by plotters.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Axis, Ink, Layer, Plot, Scale};

/// Units of the picture per CSS pixel: plotters places marks on whole units.
pub const FINENESS: u32 = 4;

/// The size of text in CSS pixels.
const TEXT: f64 = 11.5;

/// Of axes and of their grid; the stylesheet replaces these colours, as it does those of [`Ink`].
const AXIS: RGBColor = RGBColor(0x10, 0x10, 0x10);
const GRID: RGBColor = RGBColor(0x20, 0x20, 0x20);

impl Ink {
    /// By which the stylesheet knows the ink: Okabe and Ito's colours, which colour-blind readers can tell apart.
    fn colour(self) -> RGBColor {
        match self {
            Self::Fit => RGBColor(0x00, 0x72, 0xB2),
            Self::Reference => RGBColor(0xD5, 0x5E, 0x00),
            Self::Gaussian => RGBColor(0x00, 0x9E, 0x73),
            Self::Limit => RGBColor(0xCC, 0x79, 0xA7),
        }
    }
}

/// The SVG elements of the plot.
pub fn marks(plot: &Plot) -> Result<String, String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (px(plot.size.0), px(plot.size.1))).into_drawing_area();
        let ((x0, x1), (y0, y1)) = (plot.x.range, plot.y.range);
        let drawn = match (&plot.x.scale, &plot.y.scale) {
            (Scale::Log, Scale::Log) => draw(plot, &root, (x0..x1).log_scale(), (y0..y1).log_scale()),
            (Scale::Log, _) => draw(plot, &root, (x0..x1).log_scale(), y0..y1),
            (_, Scale::Log) => draw(plot, &root, x0..x1, (y0..y1).log_scale()),
            (_, Scale::Rows(_)) => draw(plot, &root, x0..x1, y1..y0),
            _ => draw(plot, &root, x0..x1, y0..y1),
        };
        drawn.and_then(|()| root.present()).map_err(|error| error.to_string())?;
    }
    Ok(tidy(&svg))
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;
type Area<'a, 'b> = DrawingArea<SVGBackend<'b>, Shift>;

fn draw<X, Y>(plot: &Plot, root: &Area<'_, '_>, x: X, y: Y) -> Drawn
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let style = text_style(HPos::Center);
    let mut chart = ChartBuilder::on(root)
        .margin(px(4))
        .margin_top(px(8))
        .margin_right(px(22))
        .x_label_area_size(px(if plot.x.label.is_empty() { 18 } else { 34 }))
        .y_label_area_size(px(left_margin(&plot.y)))
        .build_cartesian_2d(x, y)?;
    let (x_number, y_number) = (formatter(&plot.x), formatter(&plot.y));
    let mut mesh = chart.configure_mesh();
    mesh.max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(ShapeStyle::from(AXIS).stroke_width(FINENESS))
        .set_all_tick_mark_size(px(3) as i32)
        .label_style(style.clone())
        .axis_desc_style(style)
        .x_labels(plot.size.0 as usize / 60)
        .y_labels(plot.size.1 as usize / 40)
        .x_label_formatter(&x_number)
        .y_label_formatter(&y_number);
    if !plot.x.label.is_empty() {
        mesh.x_desc(plot.x.label.as_str());
    }
    if !plot.y.label.is_empty() {
        mesh.y_desc(plot.y.label.as_str());
    }
    if matches!(plot.y.scale, Scale::Bare) {
        mesh.disable_y_mesh().disable_y_axis();
    }
    if matches!(plot.y.scale, Scale::Rows(_)) {
        mesh.disable_y_mesh().y_labels(0);
    }
    mesh.draw()?;
    let at = |point: &(f64, f64)| (inside(point.0, &plot.x), inside(point.1, &plot.y));
    for layer in &plot.layers {
        let path = |points: &[(f64, f64)]| points.iter().map(at).collect::<Vec<_>>();
        // The radius is in quarters of a CSS pixel.
        let dots = |points: &[(f64, f64)], radius: u32, style: ShapeStyle| {
            let radius = radius * FINENESS / 4;
            path(points).into_iter().map(|point| Circle::new(point, radius, style)).collect::<Vec<_>>()
        };
        let line = |ink: Ink| ShapeStyle::from(ink.colour()).stroke_width(2 * FINENESS);
        match layer {
            Layer::Area(ink, points) => {
                let bottom = plot.y.range.0;
                let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
                let closed = [&[(first.0, bottom)], points.as_slice(), &[(last.0, bottom)]].concat();
                chart.draw_series([Polygon::new(path(&closed), ink.colour().mix(0.3).filled())])?;
                chart.draw_series([PathElement::new(path(points), line(*ink))])?;
            }
            Layer::Line(ink, points) => {
                chart.draw_series([PathElement::new(path(points), line(*ink))])?;
            }
            Layer::Cloud(ink, points) => {
                chart.draw_series(dots(points, 6, ink.colour().mix(0.5).filled()))?;
            }
            Layer::Dots(ink, points) => {
                chart.draw_series(dots(points, 16, ink.colour().filled()))?;
            }
            Layer::Strokes(ink, points) => {
                let half = px(6) as i32;
                let stroke = |point| EmptyElement::at(point) + PathElement::new([(0, -half), (0, half)], line(*ink));
                chart.draw_series(path(points).into_iter().map(stroke))?;
            }
        }
    }
    if let Scale::Rows(names) = &plot.y.scale {
        let style = text_style(HPos::Right);
        for (row, name) in names.iter().enumerate() {
            let (_, y) = chart.backend_coord(&(plot.x.range.0, row as f64));
            root.draw(&Text::new(name.as_str(), ((px(left_margin(&plot.y)) - px(4)) as i32, y), style.clone()))?;
        }
    }
    Ok(())
}

fn px(pixels: u32) -> u32 {
    pixels * FINENESS
}

fn text_style<'a>(horizontal: HPos) -> TextStyle<'a> {
    // Plotters writes a font's size divided by 1.24.
    let font = ("sans-serif", TEXT * 1.24 * f64::from(FINENESS)).into_font();
    TextStyle::from(font).color(&AXIS).pos(Pos::new(horizontal, VPos::Center))
}

/// What the upright axis needs for its numbers or names and its label, in CSS pixels.
fn left_margin(axis: &Axis) -> u32 {
    let divisions = match &axis.scale {
        // Half of the first number of the level axis.
        Scale::Bare => 16,
        Scale::Linear | Scale::Log => 38,
        Scale::Rows(names) => names.iter().map(|name| name.chars().count() as u32).max().unwrap_or(0) * 7 + 8,
    };
    divisions + if axis.label.is_empty() { 4 } else { 18 }
}

/// The nearest place within the axis.
fn inside(value: f64, axis: &Axis) -> f64 {
    if value.is_nan() { axis.range.0 } else { value.clamp(axis.range.0, axis.range.1) }
}

/// As many decimals as tell the numbers along an axis apart; none for a row.
fn formatter(axis: &Axis) -> Box<dyn Fn(&f64) -> String> {
    if matches!(axis.scale, Scale::Rows(_) | Scale::Bare) {
        return Box::new(|_| String::new());
    }
    let log = axis.scale == Scale::Log;
    let span = axis.range.1 - axis.range.0;
    Box::new(move |&value| {
        let unit = if log { value.abs() } else { span };
        let decimals = (1.0 - unit.log10().floor()).max(0.0) as usize;
        if value == 0.0 || value.abs() < span * 1e-9 && !log {
            "0".to_owned()
        } else if decimals > 4 || value.abs() >= 1e5 {
            let text = format!("{value:.3e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{exponent}", trimmed(digits))
        } else {
            trimmed(&format!("{value:.decimals$}")).to_owned()
        }
    })
}

/// A decimal number without zeros at its end.
fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// The elements inside the picture, without attributes that say what holds anyway.
fn tidy(svg: &str) -> String {
    let elements = svg.split_once('>').map_or("", |(_, rest)| rest).trim_start();
    let elements = elements.strip_suffix("</svg>\n").unwrap_or(elements);
    [" opacity=\"1\"", " stroke=\"none\"", " stroke-width=\"1\"", " font-family=\"sans-serif\"", " fill=\"#101010\""]
        .iter()
        .fold(elements.to_owned(), |text, attribute| text.replace(attribute, ""))
}
