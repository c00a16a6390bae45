//! A comparison with reference draws as a table, and its verdict.

use std::env;
use std::io::{self, IsTerminal};

use comfy_table::{Cell, Color, ContentArrangement};
use stanmatch::compare::{Comparison, ParameterComparison, TOLERANCE};

use super::table;

/// How many names the line of quantities without reference lists.
const NAMES_LISTED: usize = 4;

/// The table and the verdict below it, for standard output. Errors outside tolerance are red on a terminal.
pub fn shown(comparison: &Comparison) -> String {
    let colour = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut text = format!("{}\n\n{}\n", rows(comparison, colour), verdict(comparison));
    if comparison.parameters.iter().any(|it| it.robust) {
        text += "* heavy tails: median and half the central 68 % interval for mean and sd\n";
    }
    if !comparison.left_out.is_empty() {
        text += &format!("not in the reference: {}\n", listed(&comparison.left_out));
    }
    text
}

fn rows(comparison: &Comparison, colour: bool) -> String {
    let header = ["parameter", "mean", "sd", "ref mean", "ref sd", "mean err", "sd err", "W1"];
    let mut table = table::table(&header, comparison.parameters.iter().map(|it| row(it, colour)));
    // On a narrow terminal names are broken, numbers never.
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.column_iter_mut().skip(1).for_each(|column| {
        column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
    });
    if !colour {
        table.force_no_tty();
    }
    table.trim_fmt()
}

fn row(it: &ParameterComparison, colour: bool) -> Vec<Cell> {
    let mut row = vec![Cell::new(format!("{}{}", it.name, if it.robust { " *" } else { "" }))];
    row.extend([it.location, it.scale, it.reference_location, it.reference_scale].map(|x| Cell::new(table::number(x))));
    row.extend([it.location_error, it.log_scale_error].map(|error| {
        let cell = Cell::new(table::fixed(error, 3));
        if colour && error.is_nan() | (error > TOLERANCE) { cell.fg(Color::Red) } else { cell }
    }));
    row.push(Cell::new(table::fixed(it.w1, 3)));
    row
}

fn verdict(comparison: &Comparison) -> String {
    format!(
        "{} of {}\nlargest errors: mean {} sd, ln sd {} (at most {TOLERANCE} each); mean W1 {} sd",
        if comparison.within_tolerance { "within tolerance" } else { "OUTSIDE tolerance" },
        comparison.reference,
        table::fixed(comparison.max_location_error, 3),
        table::fixed(comparison.max_log_scale_error, 3),
        table::fixed(comparison.mean_w1, 3),
    )
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
