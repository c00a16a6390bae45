//! Sample quantiles.

/// The quantile of type 7 (R's and NumPy's default) of values in ascending order, for a probability
/// in \[0, 1\]. NaN without values, and where one is NaN (at an end, as `f64::total_cmp` sorts it).
pub fn quantile(ascending: &[f64], probability: f64) -> f64 {
    let size = ascending.len();
    if let [first, .., last] = ascending
        && (first.is_nan() || last.is_nan())
    {
        return f64::NAN;
    }
    if size < 2 {
        return ascending.first().copied().unwrap_or(f64::NAN);
    }
    // Hyndman and Fan (1996) with m = 1 - p. Rounding decides whether a draw that is the quantile
    // counts as below it, so the operations are in the order in which SciPy's mquantiles has them.
    let position = size as f64 * probability + (1.0 - probability);
    let below = position.floor().clamp(1.0, size as f64 - 1.0);
    let weight = (position - below).clamp(0.0, 1.0);
    let index = below as usize;
    (1.0 - weight) * ascending[index - 1] + weight * ascending[index]
}

/// The median of values in any order, which may be infinite: the middle one, or the mean of the two
/// in the middle. NaN without values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count => 0.5 * (values[(count - 1) / 2] + values[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinite_values_are_ranked_like_others() {
        assert_eq!(median(vec![f64::INFINITY, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![2.0, f64::INFINITY, -4.0, 1.0]), 1.5);
        assert_eq!(median(vec![f64::INFINITY; 3]), f64::INFINITY);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn quantiles_interpolate() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.5, 1.0].map(|p| quantile(&values, p)), [1.0, 3.0, 8.0]);
        assert!((quantile(&values, 0.9) - 6.8).abs() < 1e-14);
        assert_eq!(quantile(&[5.0], 0.3), 5.0);
        assert!(quantile(&[], 0.3).is_nan());
        assert!(quantile(&[1.0, 2.0, f64::NAN], 0.3).is_nan() && quantile(&[-f64::NAN, 1.0, 2.0], 0.3).is_nan());
    }
}
