//! Whether many short chains still depend on where they started.

use super::quantile::quantile;
use super::rank_normalisation::normal_scores;
use ndarray::{Array2, ArrayView1};
use statrs::distribution::{ContinuousCDF, Normal};

/// The family-wise error rate: how often chains that depend on nothing may seem to.
const FALSE_ALARM_RATE: f64 = 0.01;

/// The values of a quantity where the chains started, one for each chain, as normal scores.
pub struct StartValues {
    location: Array2<f64>,
    scale: Array2<f64>,
}

impl StartValues {
    /// Of these values.
    pub fn new(values: ArrayView1<'_, f64>) -> Self {
        let [location, scale] = scores(values);
        Self { location, scale }
    }

    /// The correlation of normal scores between where the chains started and where they are: the
    /// larger one of that of the values and of that of their distances from the median. Like R-hat
    /// (Vehtari et al. 2021) it needs no moments. NaN if all values are equal.
    pub fn correlation(&self, now: ArrayView1<'_, f64>) -> f64 {
        let [location, scale] = scores(now);
        correlation(&self.location, &location).max(correlation(&self.scale, &scale))
    }
}

/// The critical value of the largest of these correlations over `quantities` independent
/// quantities, two of each, at a family-wise error rate of 1 % (Bonferroni). By chance a
/// correlation of `chains` independent pairs has the standard error 1/√chains.
pub fn critical_correlation(chains: usize, quantities: usize) -> f64 {
    let tail = FALSE_ALARM_RATE / (2 * quantities.max(1)) as f64;
    -Normal::standard().inverse_cdf(tail) / (chains as f64).sqrt()
}

/// The normal scores of the values, and of their distances from the median.
fn scores(values: ArrayView1<'_, f64>) -> [Array2<f64>; 2] {
    let mut ascending = values.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let median = quantile(&ascending, 0.5);
    let row = |value: &dyn Fn(f64) -> f64| Array2::from_shape_fn((1, values.len()), |(_, chain)| value(values[chain]));
    [normal_scores(&row(&|x| x)), normal_scores(&row(&|x| (x - median).abs()))]
}

/// Pearson's correlation. Normal scores have mean zero.
fn correlation(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let product = |a: &Array2<f64>, b: &Array2<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray::{Array1, Axis};

    fn normal(index: usize, count: usize) -> Array1<f64> {
        standard_normal(&mut stream(5, index), (1, count)).remove_axis(Axis(0))
    }

    #[test]
    fn the_correlation_does_not_depend_on_the_scale() {
        let (a, b) = (normal(0, 100_000), normal(1, 100_000));
        for correlation in [0.0, 0.3, 0.9] {
            let now = &a * correlation + &b * f64::sqrt(1.0 - correlation * correlation);
            for values in [now.clone(), now.mapv(f64::exp)] {
                let found = StartValues::new(a.view()).correlation(values.view());
                assert!((found - correlation).abs() < 0.01, "{found} for {correlation}");
            }
        }
        assert!((StartValues::new(a.view()).correlation(a.view()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_start_far_out_is_seen_on_the_other_side_too() {
        let (a, b) = (normal(0, 10_000), normal(1, 10_000));
        let other_side = a.iter().zip(&b).map(|(a, b)| a * b.signum()).collect::<Array1<f64>>();
        assert!(StartValues::new(a.view()).correlation(other_side.view()) > 0.9);
        assert!(StartValues::new(Array1::ones(8).view()).correlation(Array1::ones(8).view()).is_nan());
    }

    #[test]
    fn chance_alone_exceeds_the_critical_value_once_in_100() {
        let (chains, quantities, repeats) = (256, 10, 1000);
        let mut rng = stream(7, 0);
        let above = (0..repeats).filter(|_| {
            (0..quantities).any(|_| {
                let both = standard_normal(&mut rng, (2, chains));
                StartValues::new(both.row(0)).correlation(both.row(1)) > critical_correlation(chains, quantities)
            })
        });
        // Two hundred would be far too many, none too few for a bound that is sharp.
        let above = above.count();
        assert!((2..=22).contains(&above), "{above} of {repeats}");
    }
}
