//! The triangular map as data.

use super::coefficients::Coefficients;
use super::features::BENDS;
use super::tails::Tail;
use super::{InvalidMap, Structure};
use crate::linalg::{NotPositiveDefinite, cholesky_factor, invert_lower};
use ndarray::{Array1, Array2, ArrayView1};

/// A monotone triangular transport map T: the distribution of x = T(u) with u standard normal on R^D.
///
/// Each coordinate, in an order of its [`Structure`], has a conditional distribution given those before
/// it, of any location and scale that its parents' features make, and two tails of its own. A dense
/// Gaussian, Neal's funnel, a centred hierarchy given its log standard deviation, and a banana are such
/// maps exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct TriangularMap {
    structure: Structure,
    location: Array1<f64>,
    scale: Array1<f64>,
    pub(super) coefficients: Coefficients,
}

impl TriangularMap {
    /// The map of N(mean, covariance), with `covariance` D × D. Whatever of `structure` is nonlinear is
    /// there with coefficients of zero. Coordinates are standardised by `location` and `scale`, which
    /// must be positive.
    pub fn gaussian(
        structure: Structure,
        (location, scale): (Array1<f64>, Array1<f64>),
        mean: &Array1<f64>,
        covariance: &Array2<f64>,
    ) -> Result<Self, NotPositiveDefinite> {
        let dim = structure.dim();
        assert_eq!([location.len(), scale.len(), mean.len()], [dim; 3], "all vectors have length D");
        assert_eq!(covariance.dim(), (dim, dim), "the covariance must be D × D");
        if !scale.iter().all(|&s| s > 0.0 && s.is_finite()) {
            return Err(NotPositiveDefinite);
        }
        let order = structure.order();
        let mean: Array1<f64> = order.iter().map(|&i| (mean[i] - location[i]) / scale[i]).collect();
        let covariance = Array2::from_shape_fn((dim, dim), |(row, column)| {
            let (i, j) = (order[row], order[column]);
            covariance[[i, j]] / (scale[i] * scale[j])
        });
        // With C the Cholesky factor, C⁻¹ (w − mean) = u is w = mean + L (w − mean) + diag(C) u, where
        // L = I − diag(C) C⁻¹ is strictly lower triangular.
        let factor = cholesky_factor(&covariance)?;
        let mut inverse = factor.clone();
        invert_lower(&mut inverse);
        let mut coefficients = Coefficients::zeros(&structure);
        let terms = structure.terms();
        for position in 0..dim {
            let pivot = factor[[position, position]];
            coefficients.log_scales[position] = pivot.ln();
            let mut row = coefficients.linear.row_mut(terms * position);
            for earlier in 0..position {
                row[earlier] = -pivot * inverse[[position, earlier]];
            }
            coefficients.offsets[position] = mean[position] - row.dot(&mean);
        }
        let map = Self { structure, location, scale, coefficients };
        if map.is_finite() { Ok(map) } else { Err(NotPositiveDefinite) }
    }

    /// A map of given parts, which are checked.
    pub(super) fn new(
        structure: Structure,
        location: Array1<f64>,
        scale: Array1<f64>,
        coefficients: Coefficients,
    ) -> Result<Self, InvalidMap> {
        for (what, vector) in [("locations", &location), ("scales", &scale)] {
            let (found, expected) = (vector.len(), structure.dim());
            if found != expected {
                return Err(InvalidMap::Length { what, found, expected });
            }
        }
        let map = Self { structure, location, scale, coefficients };
        let positive = map.scale.iter().all(|&scale| scale > 0.0 && scale.is_finite());
        if positive && map.is_finite() { Ok(map) } else { Err(InvalidMap::NotFinite) }
    }

    fn is_finite(&self) -> bool {
        self.location.iter().chain(self.coefficients.values()).all(|value| value.is_finite())
    }

    /// The dimension D.
    pub fn dim(&self) -> usize {
        self.structure.dim()
    }

    /// What its conditionals depend on.
    pub fn structure(&self) -> &Structure {
        &self.structure
    }

    /// What is subtracted from each coordinate to standardise it, of length D.
    pub fn location(&self) -> ArrayView1<'_, f64> {
        self.location.view()
    }

    /// What each coordinate is divided by to standardise it, of length D.
    pub fn scale(&self) -> ArrayView1<'_, f64> {
        self.scale.view()
    }

    /// Replaces the coefficients, in the order of [`Coefficients::packed`].
    pub(super) fn set_coefficients(&mut self, packed: &[f64]) {
        self.coefficients.unpack(packed);
    }

    pub(super) fn tail(&self, position: usize) -> Tail {
        let row = self.coefficients.tails.row(position);
        Tail::new(row[0], row[1], row[2])
    }

    /// The terms that the linear sums of a position have.
    pub(super) fn terms_of(&self, position: usize) -> usize {
        1 + BENDS * self.structure.hubs_before(position)
    }

    /// log |det ∂x/∂w|.
    pub(super) fn log_det_scale(&self) -> f64 {
        self.scale.iter().map(|scale| scale.ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indefinite_covariance_is_refused() {
        let frame = || (Array1::zeros(2), Array1::ones(2));
        for covariance in [ndarray::array![[1.0, 2.0], [2.0, 1.0]], ndarray::array![[1.0, 0.0], [0.0, f64::NAN]]] {
            let map = TriangularMap::gaussian(Structure::linear(2), frame(), &Array1::zeros(2), &covariance);
            assert_eq!(map, Err(NotPositiveDefinite));
        }
    }
}
