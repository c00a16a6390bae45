//! The frame in which a map standardises coordinates.

use crate::diagnostics::quantile;
use ndarray::{Array1, ArrayView2};

/// The quantiles between which a normal's range is twice its standard deviation.
const LOWER: f64 = 0.16;
const UPPER: f64 = 0.84;
/// The smallest scale: coordinates that hardly vary stay what they are.
const SMALLEST: f64 = 1e-8;

/// Location and scale of each column of `points` (n × D, n ≥ 1): the median, and half the range from the
/// 16 % to the 84 % quantile, which neither tails nor a chain in a neck move far.
pub(super) fn frame(points: ArrayView2<'_, f64>) -> (Array1<f64>, Array1<f64>) {
    let column = |values: ndarray::ArrayView1<'_, f64>| {
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        let scale = 0.5 * (quantile(&values, UPPER) - quantile(&values, LOWER));
        (quantile(&values, 0.5), scale.max(SMALLEST))
    };
    let (location, scale): (Vec<f64>, Vec<f64>) = points.columns().into_iter().map(column).unzip();
    (location.into(), scale.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray::array;

    #[test]
    fn a_normals_frame_is_its_mean_and_standard_deviation() {
        let points = standard_normal(&mut stream(1, 0), (20_000, 1)) * 3.0 - 5.0;
        let (location, scale) = frame(points.view());
        // The 16 % quantile of the standard normal is −0.9945. Five standard errors of each.
        assert!((location[0] + 5.0).abs() < 0.14 && (scale[0] - 3.0 * 0.9945).abs() < 0.12, "{location} {scale}");
    }

    #[test]
    fn quantiles_are_interpolated_and_scales_positive() {
        let (location, scale) = frame(array![[1.0, 7.0], [2.0, 7.0], [4.0, 7.0], [8.0, 7.0]].view());
        assert_eq!(location, array![3.0, 7.0]);
        // 0.84 · 3 = 2.52 and 0.16 · 3 = 0.48 steps along the values.
        assert!((scale[0] - 0.5 * (4.0 + 0.52 * 4.0 - 1.48)).abs() < 1e-12 && scale[1] == SMALLEST);
    }
}
