//! Pictures and pages: one HTML file that holds all it shows, light or dark, on paper, a telephone or a screen.

mod page;
mod plot;

pub use page::{PageError, page, render};
pub use plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};
