//! A comparison with reference draws as a table, and its verdict.

use comfy_table::{Cell, Color};
use stanmatch::compare::{Comparison, ParameterComparison, TOLERANCE};
use stanmatch::draws::Draws;

use super::print::printable;
use super::{sparkline, table};

/// Columns of a terminal's line that names of quantities left out may take.
const LINE: usize = 44;

/// The table and the verdict below it, for standard output. Errors outside tolerance are red on a terminal, and a wide
/// one shows histograms of `draws`.
pub fn shown(comparison: &Comparison, draws: Option<&Draws>) -> String {
    let colour = table::has_colour();
    let mut text = format!("{}\n\n{}\n", rows(comparison, draws, colour), verdict(comparison));
    if comparison.parameters.iter().any(|it| it.robust) {
        text += "* heavy tails: median and half the central 68 % interval for mean and sd\n";
    }
    if !comparison.left_out.is_empty() {
        text += &format!("not in the reference: {}\n", listed(&comparison.left_out));
    }
    text
}

fn rows(comparison: &Comparison, draws: Option<&Draws>, colour: bool) -> String {
    let header = ["parameter", "mean", "sd", "ref mean", "ref sd", "mean err", "sd err", "W1"];
    let mut table = table::table(&header, comparison.parameters.iter().map(|it| row(it, colour)));
    if let Some(draws) = draws {
        sparkline::add(&mut table, comparison.parameters.iter().map(|it| it.name.as_str()), draws);
    }
    table::fitted(table, 0..1, colour)
}

fn row(it: &ParameterComparison, colour: bool) -> Vec<Cell> {
    let mut row = vec![Cell::new(printable(&it.name) + if it.robust { " *" } else { "" })];
    row.extend([it.location, it.scale, it.reference_location, it.reference_scale].map(|x| Cell::new(table::number(x))));
    row.extend([it.location_error, it.log_scale_error].map(|error| {
        let cell = Cell::new(table::fixed(error, 3));
        if colour && error.is_nan() | (error > TOLERANCE) { cell.fg(Color::Red) } else { cell }
    }));
    row.push(Cell::new(table::fixed(it.w1, 3)));
    row
}

fn verdict(comparison: &Comparison) -> String {
    let Comparison { floor, .. } = comparison;
    let against = |value: f64, floor: f64| format!("{} (floor {})", table::fixed(value, 3), table::fixed(floor, 3));
    let energy = |value: f64| table::fixed(value, 4);
    format!(
        "{} of {}\nlargest errors: mean {} sd, ln sd {} (at most {TOLERANCE} each); mean W1 {} sd\n\
         sliced W1 {}, energy distance {} (floor {})",
        if comparison.within_tolerance { "within tolerance" } else { "OUTSIDE tolerance" },
        printable(&comparison.reference),
        table::fixed(comparison.max_location_error, 3),
        table::fixed(comparison.max_log_scale_error, 3),
        table::fixed(comparison.mean_w1, 3),
        against(comparison.sliced_w1, floor.sliced_w1_floor),
        energy(comparison.energy_distance),
        energy(floor.energy_distance_floor),
    )
}

/// As many names as a line has space for, at least one, and how many more there are.
pub fn listed(names: &[String]) -> String {
    let mut shown = String::new();
    for (index, name) in names.iter().enumerate() {
        let name = printable(name);
        let is_full = shown.chars().count() + name.chars().count() > LINE;
        if index > 0 && is_full {
            return format!("{shown} and {} more", names.len() - index);
        }
        shown += if index > 0 { ", " } else { "" };
        shown += &name;
    }
    shown
}
