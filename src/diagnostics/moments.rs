//! Sample moments.

/// Mean and standard deviation (n − 1); the latter is NaN for fewer than two values.
pub fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_agree_with_numpy() {
        // x = np.array([-3.2, 0.1, 0.4, 1.7, 2.2, 2.9, 11.0]); print(x.mean(), x.std(ddof=1))
        let (mean, sd) = moments(&[-3.2, 0.1, 0.4, 1.7, 2.2, 2.9, 11.0]);
        assert!((mean - 2.157142857142857).abs() < 1e-14 && (sd - 4.3775400789549765).abs() < 1e-14);
        assert!(moments(&[1.0]).1.is_nan() && moments(&[]).0.is_nan());
    }
}
