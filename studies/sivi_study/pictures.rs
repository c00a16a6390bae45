//! Pictures of a family's draws over the density's contours, at several steps of the training.

use std::error::Error;
use std::f64::consts::LN_10;
use std::path::Path;

use ndarray::ArrayView1;
use plotters::prelude::*;
use stanmatch::engine::sivi::{SiviOptions, Trainer};
use stanmatch::model::{Target, Whitened};
use stanmatch::random::stream;

use crate::targets::{NAMES, density, moments, original};

/// Shares of the training after which a picture is made.
const MOMENTS: [f64; 4] = [0.0, 0.05, 0.3, 1.0];
const DRAWS: usize = 400;
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
            let (caption, bottom) = (format!("step {until}"), bottom(name));
            let mut chart = ChartBuilder::on(&area)
                .margin(6)
                .caption(caption, ("sans-serif", 13))
                .build_cartesian_2d(-HALF..HALF, bottom..bottom + 2.0 * HALF)?;
            chart.draw_series(background(&*density, bottom))?;
            // Points beyond the picture would be drawn on its edge.
            let shown = |x: &ArrayView1<f64>| x[0].abs() < HALF && (bottom..bottom + 2.0 * HALF).contains(&x[1]);
            let shown = draws.rows().into_iter().filter(shown);
            chart.draw_series(shown.map(|x| Circle::new((x[0], x[1]), 1, BLUE.mix(0.5).filled())))?;
        }
        root.present()?;
    }
    Ok(())
}

/// Where a picture's vertical axis begins.
fn bottom(name: &str) -> f64 {
    if name == "banana" { 2.5 - 2.0 * HALF } else { -HALF }
}

/// Levels of the density as shades, each a third of the one before it. Cells of a row that have one level are one
/// rectangle.
fn background(density: &dyn Target, bottom: f64) -> Vec<Rectangle<(f64, f64)>> {
    let size = 2.0 * HALF / CELLS as f64;
    let at = |column: usize| -HALF + column as f64 * size;
    let mut rectangles = Vec::new();
    for row in 0..CELLS {
        let y = bottom + row as f64 * size;
        let level = |column: usize| {
            let height = density.log_density(&[at(column) + size / 2.0, y + size / 2.0]).unwrap_or(f64::NEG_INFINITY);
            ((height + 6.4) * 2.0 / LN_10).ceil().clamp(0.0, 5.0)
        };
        let levels: Vec<f64> = (0..CELLS).map(level).collect();
        let mut begin = 0;
        for cells in levels.chunk_by(|a, b| a == b) {
            let end = begin + cells.len();
            if cells[0] > 0.0 {
                let shade = BLACK.mix(0.07 * cells[0]);
                rectangles.push(Rectangle::new([(at(begin), y), (at(end), y + size)], shade.filled()));
            }
            begin = end;
        }
    }
    rectangles
}
