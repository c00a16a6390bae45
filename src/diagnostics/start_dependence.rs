//! Whether many short chains have forgotten where they began.

use super::quantile::quantile;
use super::rank_normalisation::normal_scores;
use ndarray::{Array2, ArrayView1};
use statrs::distribution::{ContinuousCDF, Normal};

/// How often chains that have forgotten everything may seem to remember.
const FALSE_ALARMS: f64 = 0.01;

/// Where chains began, one value of a quantity for each chain.
pub struct Beginning {
    location: Array2<f64>,
    scale: Array2<f64>,
}

impl Beginning {
    /// Remembers `values`.
    pub fn new(values: ArrayView1<'_, f64>) -> Self {
        let [location, scale] = scores(values);
        Self { location, scale }
    }

    /// The correlation between where the chains began and where they are, in normal scores: the larger one of the
    /// values' own and of that of their distances from the median. It needs no moments, as R-hat (Vehtari et al. 2021).
    /// NaN where all values are equal.
    pub fn memory(&self, now: ArrayView1<'_, f64>) -> f64 {
        let [location, scale] = scores(now);
        correlation(&self.location, &location).max(correlation(&self.scale, &scale))
    }
}

/// The correlation that one of `quantities` independent quantities of so many chains has by chance in one of a hundred
/// cases, two for each quantity.
pub fn chance_memory(chains: usize, quantities: usize) -> f64 {
    let tail = FALSE_ALARMS / (2 * quantities.max(1)) as f64;
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
    fn memory_is_the_correlation_whatever_the_scale() {
        let (a, b) = (normal(0, 100_000), normal(1, 100_000));
        for correlation in [0.0, 0.3, 0.9] {
            let now = &a * correlation + &b * f64::sqrt(1.0 - correlation * correlation);
            for values in [now.clone(), now.mapv(f64::exp)] {
                let memory = Beginning::new(a.view()).memory(values.view());
                assert!((memory - correlation).abs() < 0.01, "{memory} of {correlation}");
            }
        }
        assert!((Beginning::new(a.view()).memory(a.view()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn how_far_out_a_chain_began_is_remembered_too() {
        let (a, b) = (normal(0, 10_000), normal(1, 10_000));
        let other_side = a.iter().zip(&b).map(|(a, b)| a * b.signum()).collect::<Array1<f64>>();
        assert!(Beginning::new(a.view()).memory(other_side.view()) > 0.9);
        assert!(Beginning::new(Array1::ones(8).view()).memory(Array1::ones(8).view()).is_nan());
    }

    #[test]
    fn chance_alone_is_below_the_bound_99_times_of_100() {
        let (chains, quantities, repeats) = (256, 10, 1000);
        let mut rng = stream(7, 0);
        let above = (0..repeats).filter(|_| {
            (0..quantities).any(|_| {
                let both = standard_normal(&mut rng, (2, chains));
                Beginning::new(both.row(0)).memory(both.row(1)) > chance_memory(chains, quantities)
            })
        });
        // Two hundred would be far too many, none too few for a bound that is sharp.
        let above = above.count();
        assert!((2..=22).contains(&above), "{above} of {repeats}");
    }
}
