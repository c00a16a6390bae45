//! Plots as SVG whose colours a stylesheet chooses and whose text is text.

mod draw;

use serde::Serialize;
use thiserror::Error;

/// What a mark stands for. The stylesheet gives each its colour on light and dark paper, and a line its dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// The draws of a fit, or whatever a page is about.
    Fit,
    /// What it is compared with.
    Reference,
    /// The fitted Gaussian.
    Gaussian,
    /// A bound or a floor.
    Limit,
}

/// Marks of one kind; points are (x, y) in the axes' units. What lies outside the axes is cut off at their ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// A line through the points, and the area between it and the bottom.
    Area(Ink, Vec<(f64, f64)>),
    /// A line through the points.
    Line(Ink, Vec<(f64, f64)>),
    /// A small, faint dot at each point: a cloud.
    Cloud(Ink, Vec<(f64, f64)>),
    /// A dot at each point.
    Dots(Ink, Vec<(f64, f64)>),
    /// A short upright stroke at each point.
    Strokes(Ink, Vec<(f64, f64)>),
}

/// How an axis is divided.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Scale {
    /// Evenly, with numbers.
    #[default]
    Linear,
    /// In powers of ten, with numbers; both ends must be positive.
    Log,
    /// Evenly, without numbers.
    Bare,
    /// Into rows with names: row i lies at i, the axis goes from −0.5 to the number of rows − 0.5. For the upright
    /// axis, from top to bottom.
    Rows(Vec<String>),
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// What it measures, with the unit; may be empty.
    pub label: String,
    /// Its ends.
    pub range: (f64, f64),
    /// How it is divided.
    pub scale: Scale,
}

/// A plot to be drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plot {
    /// By which a reader can filter, such as a parameter's name; may be empty.
    pub name: String,
    /// The heading; may be empty.
    pub caption: String,
    /// What can be seen, in words for those who cannot see it.
    pub description: String,
    /// Width and height in CSS pixels, at which the text has its natural size.
    pub size: (u32, u32),
    /// The level axis.
    pub x: Axis,
    /// The upright axis.
    pub y: Axis,
    /// The marks, from the lowest to the topmost.
    pub layers: Vec<Layer>,
}

/// A plot that was drawn: what the macro `figure` of `figure.html` shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    name: String,
    caption: String,
    description: String,
    width: u32,
    height: u32,
    /// In CSS pixels: larger, its text would be larger than the page's.
    natural_width: u32,
    /// SVG elements, their text escaped.
    marks: String,
}

/// Why a plot cannot be drawn.
#[derive(Debug, Error)]
pub enum PlotError {
    /// An axis has no extent.
    #[error("the {axis} axis of the plot of {plot} has no extent: it ranges from {} to {}", .range.0, .range.1)]
    Range {
        /// Which plot.
        plot: String,
        /// Which axis.
        axis: &'static str,
        /// Its ends.
        range: (f64, f64),
    },
    /// The plotting library failed.
    #[error("the plot of {plot} cannot be drawn: {reason}")]
    Drawing {
        /// Which plot.
        plot: String,
        /// What it said.
        reason: String,
    },
}

impl Plot {
    /// Draws it.
    ///
    /// # Errors
    /// When an axis has no extent, or one in powers of ten an end that is not positive.
    pub fn figure(self) -> Result<Figure, PlotError> {
        for (axis, name) in [(&self.x, "x"), (&self.y, "y")] {
            let (from, to) = axis.range;
            let positive = axis.scale != Scale::Log || from > 0.0;
            if !(from < to && (to - from).is_finite() && positive) {
                return Err(PlotError::Range { plot: self.description, axis: name, range: axis.range });
            }
        }
        match draw::marks(&self) {
            Ok(marks) => Ok(Figure {
                name: self.name,
                caption: self.caption,
                description: self.description,
                width: self.size.0 * draw::FINENESS,
                height: self.size.1 * draw::FINENESS,
                natural_width: self.size.0 * 6 / 5,
                marks,
            }),
            Err(reason) => Err(PlotError::Drawing { plot: self.description, reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(layers: Vec<Layer>) -> Plot {
        Plot {
            description: "a test".into(),
            size: (300, 200),
            x: Axis { label: "x <of> it".into(), range: (0.0, 10.0), scale: Scale::Linear },
            y: Axis { label: "y".into(), range: (0.01, 100.0), scale: Scale::Log },
            layers,
            ..Plot::default()
        }
    }

    #[test]
    fn every_layer_leaves_its_mark() {
        let points = vec![(1.0, 0.1), (9.0, 10.0)];
        for (layer, mark) in [
            (Layer::Area(Ink::Fit, points.clone()), "<polygon"),
            (Layer::Line(Ink::Reference, points.clone()), "stroke=\"#D55E00\""),
            (Layer::Cloud(Ink::Fit, points.clone()), "<circle"),
            (Layer::Dots(Ink::Gaussian, points.clone()), "<circle"),
            (Layer::Strokes(Ink::Limit, points), "stroke=\"#CC79A7\""),
        ] {
            let without = plot(Vec::new()).figure().unwrap().marks;
            let with = plot(vec![layer]).figure().unwrap().marks;
            assert!(with.matches(mark).count() > without.matches(mark).count(), "{with}");
        }
    }

    #[test]
    fn text_is_text_and_escaped() {
        let marks = plot(Vec::new()).figure().unwrap().marks;
        assert!(marks.contains("x &lt;of&gt; it") && !marks.contains("<of>"), "{marks}");
        assert!(marks.contains("<text") && !marks.contains("<svg"), "{marks}");
    }

    #[test]
    fn rows_are_named_in_order() {
        let mut plot = plot(Vec::new());
        plot.y =
            Axis { scale: Scale::Rows(vec!["first".into(), "second".into()]), range: (-0.5, 1.5), label: "".into() };
        let marks = plot.figure().unwrap().marks;
        assert!(marks.find("first").unwrap() < marks.find("second").unwrap());
    }

    #[test]
    fn an_axis_without_extent_is_refused() {
        for range in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            let mut plot = plot(Vec::new());
            plot.x.range = range;
            assert!(matches!(plot.figure(), Err(PlotError::Range { axis: "x", .. })));
        }
        let mut plot = plot(Vec::new());
        plot.y.range = (0.0, 1.0);
        assert!(matches!(plot.figure(), Err(PlotError::Range { axis: "y", .. })));
    }
}
