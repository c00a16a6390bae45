//! Tables on the terminal.

use comfy_table::{CellAlignment, Row, Table, presets};

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

/// Four significant digits, with an exponent for very large and very small numbers.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() {
        return fixed(value, 0);
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    fixed(value, (3 - magnitude.log10().floor() as i32).max(0) as usize)
}

/// This many decimals; a dash for what is not defined.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let shown = [0.0, 1.0, -12.3456, 0.001234567, 123456.7, 1.5e7, 3e-9, f64::NAN, f64::INFINITY].map(number);
        assert_eq!(shown, ["0", "1.000", "-12.35", "0.001235", "123457", "1.500e7", "3.000e-9", "–", "inf"]);
    }
}
