//! Pictures and pages: one HTML file that holds all it shows, light or dark, on paper, a telephone or a screen.
//!
//! ```
//! use stanmatch::document::FitDocument;
//! use stanmatch::fit::{FitOptions, fit};
//! use stanmatch::model::{Density, Unconstrained};
//! use stanmatch::output::SavedFit;
//! use stanmatch::report::{FitReportOptions, LoadedFit, ReportedFit, fit_report};
//!
//! let model = Unconstrained::new(Density::new(1, |x: &[f64], gradient: &mut [f64]| {
//!     gradient[0] = -x[0];
//!     -0.5 * x[0] * x[0]
//! }));
//! let options = FitOptions::default();
//! let fit = fit(&model, &options, &())?;
//!
//! let folder = tempfile::tempdir()?;
//! let document = FitDocument::of_fit("my posterior", "normal", &options, &fit, &fit.summaries());
//! SavedFit { document: &document, fit: &fit, target: &model, program: "", cmdstan_chains: None }.write(folder.path())?;
//!
//! let saved = ReportedFit { fit: LoadedFit::read(folder.path())?, reference: None, note: None };
//! let page = fit_report(&[saved], &FitReportOptions::default())?;
//! assert!(page.contains("my posterior"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error_plot;
mod fit_report;
mod histogram;
mod khat_text;
mod loaded_fit;
mod marginals;
mod modes;
mod numbers;
mod page;
mod pairs;
mod plot;
mod summary;
mod trace;

pub use fit_report::{FitReportError, FitReportOptions, ReportedFit, fit_report};
pub use histogram::blocks;
pub use loaded_fit::{LoadError, LoadedFit};
pub use numbers::{fixed, grouped, number};
pub use page::{PageError, render};
pub use plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};

/// The longest name in a picture, in characters.
const LONGEST_NAME: usize = 24;

/// A name with its middle left out where it is too long for a picture: its beginning says what it is, its end which
/// one.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= LONGEST_NAME {
        return name.to_owned();
    }
    let end = LONGEST_NAME / 2 - 1;
    let first: String = name.chars().take(LONGEST_NAME - 1 - end).collect();
    let last: String = name.chars().skip(length - end).collect();
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_ends() {
        assert_eq!(shortened("theta[1]"), "theta[1]");
        let short = shortened("a_parameter_with_a_very_long_name[1,23]");
        assert_eq!(short.chars().count(), LONGEST_NAME);
        assert!(short.starts_with("a_parameter_") && short.ends_with("_name[1,23]"), "{short}");
    }
}
