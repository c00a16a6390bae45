//! Small histograms beside the rows of a table.

use comfy_table::{Cell, Table};
use stanmatch::draws::Draws;
use stanmatch::report::blocks;

/// Characters of a histogram, and of the gap before it.
const WIDTH: usize = 16;
const GAP: usize = 2;

/// Adds a histogram of each quantity's draws at the end of its row, where the terminal is wide enough for that; nothing
/// in a pipe. `names` are the quantities of the rows in order.
pub fn add<'a>(table: &mut Table, names: impl Iterator<Item = &'a str>, draws: &Draws) {
    let Some(width) = table.width() else { return };
    let natural = table.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0);
    if !table.is_tty() || natural + GAP + WIDTH > usize::from(width) {
        return;
    }
    if let Some(header) = table.header() {
        let mut header = header.clone();
        header.add_cell(Cell::new("draws"));
        table.set_header(header);
    }
    for (row, name) in table.row_iter_mut().zip(names) {
        let column = draws.column(name).map(|draws| draws.to_vec()).unwrap_or_default();
        row.add_cell(Cell::new(blocks(&column, WIDTH)));
    }
}
