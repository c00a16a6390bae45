//! A density of your own, without Stan: a multivariate Student-t in ten dimensions, given as a closure that returns the
//! log density and writes its gradient.
//!
//!     cargo run --release --example custom_density --no-default-features

use std::error::Error;

use stanmatch::fit::{FitOptions, fit};
use stanmatch::model::{Density, Unconstrained};

/// The dimension.
const DIM: usize = 10;
/// Degrees of freedom.
const DEGREES: f64 = 7.0;

/// The location and scale of a coordinate, counted from 0.
fn location_and_scale(coordinate: usize) -> (f64, f64) {
    (coordinate as f64, 10.0_f64.powi(coordinate as i32 - 5))
}

/// Fits it, and prints what came out.
pub fn main() -> Result<(), Box<dyn Error>> {
    // log p(x) = −(ν + D)/2 · log(1 + ‖z‖²/ν) up to a constant, with z the standardised coordinates.
    let student = Density::new(DIM, |x: &[f64], gradient: &mut [f64]| {
        let standardised = |i: usize| (x[i] - location_and_scale(i).0) / location_and_scale(i).1;
        let squared: f64 = (0..DIM).map(|i| standardised(i).powi(2)).sum();
        for (i, element) in gradient.iter_mut().enumerate() {
            *element = -(DEGREES + DIM as f64) / (DEGREES + squared) * standardised(i) / location_and_scale(i).1;
        }
        -0.5 * (DEGREES + DIM as f64) * (squared / DEGREES).ln_1p()
    });

    let fit = fit(&Unconstrained::new(student), &FitOptions::default(), &())?;
    println!("trusted: {}, k̂ {:.2}", fit.verdict.is_trusted(), fit.verdict.pareto_k);
    for finding in fit.verdict.objections.iter().chain(&fit.verdict.notes) {
        println!("{}: {finding}", finding.code());
    }
    // The standard deviation of a Student-t variable is its scale times √(ν/(ν − 2)).
    let inflation = (DEGREES / (DEGREES - 2.0)).sqrt();
    for (i, name) in fit.draws.names().iter().enumerate() {
        let draws = fit.draws.column(name).ok_or("a coordinate has draws")?;
        let (location, scale) = location_and_scale(i);
        let mean = draws.mean().unwrap_or(f64::NAN);
        println!("{name}: mean {mean:.4} of {location}, sd {:.4e} of {:.4e}", draws.std(1.0), scale * inflation);
        let (location_error, scale_error) =
            ((mean - location).abs() / (scale * inflation), (draws.std(1.0) / (scale * inflation)).ln().abs());
        if fit.verdict.is_trusted() && (location_error > 0.1 || scale_error > 0.1) {
            return Err(format!("{name} is outside tolerance, though the fit is trusted").into());
        }
    }
    Ok(())
}
