//! Autocovariances, by the fast Fourier transform, and the autocorrelation of neighbouring draws.

use ndarray::{Array2, ArrayView1};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use std::cell::RefCell;

thread_local! {
    /// Keeps the plan of every length, of which there are few: powers of two.
    static PLANNER: RefCell<RealFftPlanner<f64>> = RefCell::new(RealFftPlanner::new());
}

/// The autocovariances of the sequences (rows), each about its own mean and with the divisor n, averaged over the
/// sequences: one value per lag from 0 to n − 1.
pub(super) fn mean_autocovariance(sequences: &Array2<f64>) -> Vec<f64> {
    let (count, draws) = sequences.dim();
    // Twice the length keeps the end of a sequence from wrapping onto its beginning.
    let padded = (2 * draws).next_power_of_two();
    let (forward, inverse) =
        PLANNER.with_borrow_mut(|planner| (planner.plan_fft_forward(padded), planner.plan_fft_inverse(padded)));
    let mut power = forward.make_output_vec();
    let mut spectrum = forward.make_output_vec();
    let mut signal = forward.make_input_vec();
    for sequence in sequences.rows() {
        let mean = sequence.mean().unwrap_or_default();
        signal.fill(0.0);
        signal.iter_mut().zip(sequence).for_each(|(signal, x)| *signal = x - mean);
        forward.process(&mut signal, &mut spectrum).expect("the buffers are the plan's own");
        power.iter_mut().zip(&spectrum).for_each(|(power, s)| *power += Complex::new(s.norm_sqr(), 0.0));
    }
    inverse.process(&mut power, &mut signal).expect("a power spectrum is real");
    let scale = (padded * draws * count) as f64;
    signal.truncate(draws);
    signal.iter_mut().for_each(|covariance| *covariance /= scale);
    signal
}

/// The autocorrelation at lag 1 of one chain's draws. NaN for fewer than two draws or a constant chain.
pub fn lag1_autocorrelation(chain: ArrayView1<'_, f64>) -> f64 {
    let mean = chain.mean().unwrap_or(f64::NAN);
    let deviations: Vec<f64> = chain.iter().map(|x| x - mean).collect();
    let products: f64 = deviations.windows(2).map(|pair| pair[0] * pair[1]).sum();
    products / deviations.iter().map(|d| d * d).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, aview1};

    #[test]
    fn the_transform_gives_the_sums_of_the_definition() {
        let sequences = array![[1.0, 4.0, 2.0, -3.0, 0.5], [2.0, 2.5, 7.0, 1.0, -1.0]];
        let covariances = mean_autocovariance(&sequences);
        for (lag, covariance) in covariances.iter().enumerate() {
            let expected = sequences.rows().into_iter().map(|row| {
                let mean = row.mean().unwrap();
                (0..5 - lag).map(|t| (row[t] - mean) * (row[t + lag] - mean)).sum::<f64>() / 5.0
            });
            assert!((covariance - expected.sum::<f64>() / 2.0).abs() < 1e-13);
        }
    }

    #[test]
    fn alternating_draws_are_negatively_correlated() {
        assert_eq!(lag1_autocorrelation(aview1(&[1.0, -1.0, 1.0, -1.0])), -0.75);
        assert!(lag1_autocorrelation(aview1(&[2.0, 2.0])).is_nan());
    }
}
