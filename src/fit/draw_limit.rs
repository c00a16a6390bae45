//! Bounds on what a fit keeps in memory, so that models of a hundred thousand parameters can be fitted.

/// The numbers that a table of draws may hold, 256 MB: 4 000 draws of 8 000 quantities.
const NUMBERS: usize = 1 << 25;
/// Draws that a table may hold in any case: fewer say nothing.
const LEAST: usize = 100;

/// As many of `draws` draws of `quantities` quantities as may be kept.
pub fn affordable(draws: usize, quantities: usize) -> usize {
    draws.min((NUMBERS / quantities.max(1)).max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_bounded_and_small_models_are_not_affected() {
        assert_eq!(affordable(32_000, 1000), 32_000);
        assert_eq!(affordable(4000, 8000), 4000);
        assert!(affordable(4000, 100_000) * 100_000 <= NUMBERS);
        assert_eq!(affordable(4000, usize::MAX), LEAST);
        assert_eq!(affordable(4000, 0), 4000);
    }
}
