//! Numbers as people read them.

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

/// A count with its digits in groups of three, by thin spaces.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let shown = [0.0, 1.0, -12.3456, 0.001234567, 123456.7, 1.5e7, 3e-9, f64::NAN, f64::INFINITY].map(number);
        assert_eq!(shown, ["0", "1.000", "-12.35", "0.001235", "123457", "1.500e7", "3.000e-9", "–", "inf"]);
    }

    #[test]
    fn counts_are_grouped_from_the_right() {
        let shown = [0, 999, 1000, 1234567].map(grouped);
        assert_eq!(shown, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
    }
}
