//! Standard errors of summaries of independent normal draws, from asymptotic variances (Serfling 1980, "Approximation
//! Theorems of Mathematical Statistics", section 2.3). For draws that are not independent, `count` is their effective
//! sample size; one draw is the least.

/// The standard error of a median, in the draws' scale, times √count: √(π/2).
const MEDIAN: f64 = 1.2533;
/// Of the logarithm of a standard deviation, times √count: 1/√2.
const LOG_SD: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// Of the logarithm of half the central 68 % interval, times √count: from the asymptotic variances p (1 − p) / φ² and
/// the covariance p² / φ² of its two ends, with p = 0.16 and φ the normal density there.
const LOG_INTERVAL: f64 = 0.964;

/// The standard error of the median of `count` draws, in units of their standard deviation.
pub fn median_error(count: f64) -> f64 {
    of(MEDIAN, count)
}

/// The standard error of the logarithm of the standard deviation of `count` draws.
pub fn log_sd_error(count: f64) -> f64 {
    of(LOG_SD, count)
}

/// The standard error of the logarithm of half the central 68 % interval of `count` draws.
pub fn log_interval_error(count: f64) -> f64 {
    of(LOG_INTERVAL, count)
}

fn of(one: f64, count: f64) -> f64 {
    one / count.max(1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{moments, quantile};
    use crate::random::stream;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn errors_are_those_of_normal_draws() {
        const REPEATS: usize = 4000;
        const DRAWS: usize = 400;
        let mut rng = stream(9, 0);
        let mut summaries: [Vec<f64>; 3] = Default::default();
        for _ in 0..REPEATS {
            let mut draws: Vec<f64> = (0..DRAWS).map(|_| StandardNormal.sample(&mut rng)).collect();
            draws.sort_by(f64::total_cmp);
            summaries[0].push(quantile(&draws, 0.5));
            summaries[1].push(moments(&draws).1.ln());
            summaries[2].push((0.5 * (quantile(&draws, 0.84) - quantile(&draws, 0.16))).ln());
        }
        let count = DRAWS as f64;
        for (values, expected) in summaries.iter().zip([median_error, log_sd_error, log_interval_error]) {
            let (_, sd) = moments(values);
            // The sample's own standard error is 1.1 %.
            assert!((sd / expected(count) - 1.0).abs() < 0.05, "{sd} and {}", expected(count));
        }
        assert_eq!(median_error(0.1), median_error(1.0));
    }
}
