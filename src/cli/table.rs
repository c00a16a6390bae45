//! Tables on the terminal.

use std::env;
use std::io::{self, IsTerminal};
use std::ops::Range;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, presets};
pub use stanmatch::report::{fixed, number};

/// Rows under a header; the first column is a name, the others are numbers, flush right.
pub fn table<R: Into<Row>>(header: &[&str], rows: impl Iterator<Item = R>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec()).add_rows(rows);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// The same as text.
pub fn aligned<R: Into<Row>>(header: &[&str], rows: impl Iterator<Item = R>) -> String {
    table(header, rows).to_string()
}

/// Whether standard output shows colours.
pub fn has_colour() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A table for standard output: on a narrow terminal what stands in the columns of `names` is broken, numbers never.
pub fn fitted(mut table: Table, names: Range<usize>, colour: bool) -> String {
    table.set_content_arrangement(ContentArrangement::Dynamic);
    for (_, column) in table.column_iter_mut().enumerate().filter(|(index, _)| !names.contains(index)) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    if !colour {
        table.force_no_tty();
    }
    table.trim_fmt()
}
