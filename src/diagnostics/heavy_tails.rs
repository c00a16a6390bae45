//! Whether moments say anything of a quantity.

/// Halves whose standard deviations differ by more than this factor have tails too heavy for moments.
const HALVES_AGREE: f64 = 1.05;

/// Whether reference draws, in the order they were drawn, are too heavy-tailed for their moments to be reproducible: their two
/// halves differ in standard deviation.
pub fn is_heavy_tailed(draws: &[f64]) -> bool {
    let (first, second) = draws.split_at(draws.len() / 2);
    if first.len() < 2 {
        return false;
    }
    let (first, second) = (sd(first), sd(second));
    first.max(second) > HALVES_AGREE * first.min(second)
}

fn sd(draws: &[f64]) -> f64 {
    let count = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / count;
    (draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_tails_are_where_the_halves_disagree() {
        let even: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        assert!(!is_heavy_tailed(&even));
        let mut outlier = even.clone();
        outlier[3] = 40.0;
        assert!(is_heavy_tailed(&outlier));
        assert!(!is_heavy_tailed(&[2.0; 10]) && !is_heavy_tailed(&[1.0, 5.0]));
    }
}
