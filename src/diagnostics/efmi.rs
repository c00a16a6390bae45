//! The energy fraction of missing information of a Hamiltonian chain.

use ndarray::ArrayView1;

/// Below this a chain explores the energies too slowly (Betancourt 2016).
pub const SMALLEST_EFMI: f64 = 0.2;

/// The estimated fraction of missing information of one chain's energies: the mean squared step of the energy over its
/// variance (Betancourt 2016, arXiv 1604.00695). About 1 when the momenta explore the energies well and 2 for
/// independent energies; below 0.2 the chain explores the tails too slowly. NaN for fewer than two draws or constant
/// energies.
pub fn efmi(energies: ArrayView1<'_, f64>) -> f64 {
    let steps = energies.len().saturating_sub(1) as f64;
    let squared: f64 = energies.windows(2).into_iter().map(|pair| (pair[1] - pair[0]).powi(2)).sum();
    if steps < 1.0 { f64::NAN } else { squared / steps / energies.var(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, aview1};

    #[test]
    fn slow_energies_miss_information() {
        let slow = Array1::linspace(0.0, 1.0, 100);
        assert!(efmi(slow.view()) < 0.01);
        // Steps of 1 between energies whose variance is 1/3.
        assert!((efmi(aview1(&[0.0, 1.0, 0.0, 1.0])) - 3.0).abs() < 1e-14);
        assert!(efmi(aview1(&[1.0])).is_nan() && efmi(aview1(&[1.0, 1.0])).is_nan());
    }
}
