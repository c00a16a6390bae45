//! What semi-implicit families are worth. Tables in Markdown:
//!
//!     cargo run --release --example sivi_study -- null              quantiles of the energy distance between exact samples
//!     cargo run --release --example sivi_study -- targets 5         two_modes, x_shaped and banana with five seeds
//!     cargo run --release --example sivi_study -- ablations         sizes and schedules on x_shaped and banana
//!     cargo run --release --example sivi_study -- waveform 1        correlations and scales beside other methods
//!     cargo run --release --example sivi_study -- network 1         predictions of a Bayesian neural network
//!     cargo run --release --example sivi_study -- flagged 1         where a Gaussian is not to be trusted
//!     cargo run --release --example sivi_study -- pictures DIR      draws over contours during training
//!     cargo run --release --example sivi_study -- cost              the time of a step, by parts
//!
//! A name after the number takes one target or method alone.

mod cost;
mod network;
mod pictures;
mod posteriors;
mod problem;
mod targets;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only = arguments.get(2).map(String::as_str);
    let seeds = || arguments.get(1).map_or("1", String::as_str).parse::<u64>();
    match arguments.first().map(String::as_str) {
        Some("null") => targets::null(arguments.get(1).map(String::as_str)),
        Some("targets") => targets::fits(seeds()?, only)?,
        Some("ablations") => targets::ablations(arguments.get(1).map(String::as_str))?,
        Some("waveform") => posteriors::waveform(seeds()?, only)?,
        Some("network") => network::predictions(seeds()?, only)?,
        Some("flagged") => posteriors::flagged(seeds()?, only)?,
        Some("pictures") => pictures::draw(arguments.get(1).ok_or("give the folder for the pictures")?)?,
        Some("cost") => cost::table()?,
        _ => {
            return Err(
                "the studies are null, targets, ablations, waveform, network, flagged, pictures and cost".into()
            );
        }
    }
    Ok(())
}
