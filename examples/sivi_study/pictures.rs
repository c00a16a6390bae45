//! Pictures of a family's draws over the density's contours, at several steps of the training.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use stanmatch::engine::sivi::{SiviOptions, Trainer};
use stanmatch::random::stream;
use stanmatch::target::{Target, Whitened};

use crate::targets::{NAMES, density, moments, original};

/// Shares of the training after which a picture is made.
const MOMENTS: [f64; 4] = [0.0, 0.05, 0.3, 1.0];
const DRAWS: usize = 1000;
/// Cells of a picture's background along either axis.
const CELLS: usize = 90;
/// Half the width of what is shown, along either axis, around the middle.
const HALF: f64 = 5.0;

/// One file for each density, its pictures side by side.
pub fn draw(folder: &str) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    for name in NAMES {
        let file = Path::new(folder).join(format!("sivi-{name}.svg"));
        let root = SVGBackend::new(&file, (4 * 220, 240)).into_drawing_area();
        root.fill(&WHITE)?;
        let density = density(name);
        let target = Whitened::new(&*density, moments(name, &mut stream(1, 1))?);
        let mut trainer = Trainer::<f32>::new(2, SiviOptions::default())?;
        for (share, area) in MOMENTS.into_iter().zip(root.split_evenly((1, MOMENTS.len()))) {
            let until = (share * trainer.options().steps as f64) as usize;
            while trainer.steps_done() < until {
                trainer.step(&target)?;
            }
            let draws = original(&target, &trainer.averaged().draws(DRAWS, &mut stream(2, 0)).0);
            let middle = if name == "banana" { -2.0 } else { 0.0 };
            let caption = format!("step {until}");
            let mut chart = ChartBuilder::on(&area)
                .margin(6)
                .caption(caption, ("sans-serif", 13))
                .build_cartesian_2d(-HALF..HALF, middle - HALF..middle + HALF)?;
            chart.draw_series(background(&*density, middle))?;
            let dots = draws.rows().into_iter().map(|x| Circle::new((x[0], x[1]), 1, BLUE.mix(0.5).filled()));
            chart.draw_series(dots.filter(|_| true))?;
        }
        root.present()?;
    }
    Ok(())
}

/// Levels of the density as shades, each a tenth of the one before it.
fn background(density: &dyn Target, middle: f64) -> Vec<Rectangle<(f64, f64)>> {
    let size = 2.0 * HALF / CELLS as f64;
    let mut cells = Vec::new();
    for row in 0..CELLS {
        for column in 0..CELLS {
            let (x, y) = (-HALF + column as f64 * size, middle - HALF + row as f64 * size);
            let height = density.log_density(&[x + size / 2.0, y + size / 2.0]).unwrap_or(f64::NEG_INFINITY);
            let level = ((height + 2.0 * std::f64::consts::LN_10 + 1.8) / std::f64::consts::LN_10 * 2.0).ceil();
            if level > 0.0 {
                let shade = BLACK.mix(0.07 * level.min(5.0));
                cells.push(Rectangle::new([(x, y), (x + size, y + size)], shade.filled()));
            }
        }
    }
    cells
}
