//! Tables on the terminal.

use comfy_table::{CellAlignment, Row, Table, presets};
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
