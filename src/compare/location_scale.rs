//! Location and scale of one quantity's draws.

use super::wasserstein::wasserstein_1;
use crate::diagnostics::{moments, quantile};

/// A scale this small, relative to the location, is rounding: the quantity is constant.
const CONSTANT: f64 = 1e-10;

/// A constant is met when the locations agree to this part, relative to the constant or to 1 when that is larger.
const SAME_CONSTANT: f64 = 1e-6;

/// Where a quantity lies and how far it spreads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Marginal {
    pub location: f64,
    pub scale: f64,
    constant: bool,
}

impl Marginal {
    /// Of draws sorted ascending: the quantiles when they are to be robust, else the moments.
    pub fn of(robust: bool, sorted: &[f64]) -> Self {
        if robust { Self::quantiles(sorted) } else { Self::moments(sorted) }
    }

    /// Mean and standard deviation (n − 1), of draws sorted ascending.
    pub fn moments(sorted: &[f64]) -> Self {
        let (location, scale) = moments(sorted);
        Self { location, scale, constant: has_one_value(sorted) }
    }

    /// Median and half the central 68 % interval, of draws sorted ascending.
    pub fn quantiles(sorted: &[f64]) -> Self {
        let scale = 0.5 * (quantile(sorted, 0.84) - quantile(sorted, 0.16));
        Self { location: quantile(sorted, 0.5), scale, constant: has_one_value(sorted) }
    }

    /// Of a quantity of which no draws are kept.
    pub fn known(location: f64, scale: f64) -> Self {
        Self { location, scale, constant: !is_more_than_rounding(scale, location) }
    }

    /// Whether errors can be measured by the scale. Of a rare count all three quantiles may be 0, though its draws
    /// differ.
    pub fn has_scale(&self) -> bool {
        is_more_than_rounding(self.scale, self.location)
    }

    /// |difference of locations| in units of the reference's scale.
    pub fn location_error(&self, reference: &Self) -> f64 {
        if reference.is_constant() {
            return self.error_from_constant(reference);
        }
        (self.location - reference.location).abs() / reference.scale
    }

    /// |ln(scale / reference scale)|; infinite when exactly one of the two is constant.
    pub fn log_scale_error(&self, reference: &Self) -> f64 {
        match (self.is_constant(), reference.is_constant()) {
            (true, true) => 0.0,
            (false, false) => (self.scale / reference.scale).ln().abs(),
            _ => f64::INFINITY,
        }
    }

    /// 1-Wasserstein distance of the draws, sorted ascending, in units of the reference's scale.
    pub fn w1(&self, sorted: &[f64], reference: &Self, reference_sorted: &[f64]) -> f64 {
        if reference.is_constant() {
            return self.error_from_constant(reference);
        }
        wasserstein_1(sorted, reference_sorted) / reference.scale
    }

    /// The errors of location and log scale and the 1-Wasserstein distance of two halves of these draws, which are
    /// `distance` apart, in units of these draws' scale; all 0 for a constant.
    pub fn errors_of_halves(&self, [first, second]: &[Self; 2], distance: f64) -> [f64; 3] {
        if self.is_constant() {
            return [0.0; 3];
        }
        [
            (first.location - second.location).abs() / self.scale,
            (first.scale / second.scale).ln().abs(),
            distance / self.scale,
        ]
    }

    /// Whether all draws are one value, but for rounding.
    pub fn is_constant(&self) -> bool {
        self.constant
    }

    /// 0 when these draws are the reference's constant too, else infinite: no scale measures how far off they are.
    fn error_from_constant(&self, reference: &Self) -> f64 {
        let distance = (self.location - reference.location).abs();
        let same = distance <= SAME_CONSTANT * reference.location.abs().max(1.0);
        if same && self.is_constant() { 0.0 } else { f64::INFINITY }
    }
}

fn is_more_than_rounding(spread: f64, location: f64) -> bool {
    spread > CONSTANT * location.abs()
}

fn has_one_value(sorted: &[f64]) -> bool {
    let [least, .., most] = *sorted else { return true };
    !is_more_than_rounding(most - least, least.abs().max(most.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
    }

    #[test]
    fn values_agree_with_numpy() {
        // x = np.array([-3.2, 0.1, 0.4, 1.7, 2.2, 2.9, 11.0]); print(x.mean(), x.std(ddof=1), np.median(x),
        //   (np.quantile(x, .84) - np.quantile(x, .16)) / 2)
        let x = [-3.2, 0.1, 0.4, 1.7, 2.2, 2.9, 11.0];
        let (moments, quantiles) = (Marginal::moments(&x), Marginal::quantiles(&x));
        assert!(close(moments.location, 2.157142857142857) && close(moments.scale, 4.3775400789549765), "{moments:?}");
        assert!(close(quantiles.location, 1.7) && close(quantiles.scale, 1.628), "{quantiles:?}");
    }

    proptest! {
        #[test]
        fn both_kinds_follow_shifts_and_scales(
            mut x in prop::collection::vec(-10.0..10.0, 3..50), shift in -5.0..5.0, factor in 0.1..10.0,
        ) {
            x.sort_by(f64::total_cmp);
            let y: Vec<f64> = x.iter().map(|x| shift + factor * x).collect();
            for summary in [Marginal::moments, Marginal::quantiles] {
                let (x, y) = (summary(&x), summary(&y));
                prop_assert!(close(y.location, shift + factor * x.location));
                prop_assert!(close(y.scale, factor * x.scale));
            }
        }

        #[test]
        fn errors_are_in_units_of_the_reference(
            location in -5.0..5.0, scale in 0.1..10.0, moved in -3.0..3.0, factor in 0.2..5.0_f64,
        ) {
            let reference = Marginal::known(location, scale);
            let draws = Marginal::known(location + moved * scale, factor * scale);
            prop_assert!(close(draws.location_error(&reference), f64::abs(moved)));
            prop_assert!(close(draws.log_scale_error(&reference), factor.ln().abs()));
        }
    }

    #[test]
    fn constants_are_met_or_infinitely_far() {
        let constant = |location| Marginal::known(location, 0.0);
        let errors = |draws: Marginal, reference: Marginal| {
            [
                draws.location_error(&reference),
                draws.log_scale_error(&reference),
                draws.w1(&[draws.location; 2], &reference, &[reference.location; 2]),
            ]
        };
        assert_eq!(errors(constant(1.0), constant(1.0)), [0.0; 3]);
        assert_eq!(errors(constant(0.0), constant(0.0)), [0.0; 3]);
        assert_eq!(errors(constant(1.0 / 3.0), constant(0.3333333)), [0.0; 3]);
        assert_eq!(errors(constant(1.0), constant(2.0)), [f64::INFINITY, 0.0, f64::INFINITY]);
        assert_eq!(errors(Marginal::known(1.0, 0.5), constant(1.0)), [f64::INFINITY; 3]);
        let collapsed = constant(1.0).log_scale_error(&Marginal::known(1.0, 0.5));
        assert_eq!(collapsed, f64::INFINITY);
        // A correlation matrix's diagonal as floating point has it.
        assert_eq!(errors(Marginal::known(1.0, 3e-17), constant(1.0)), [0.0; 3]);
    }

    #[test]
    fn a_constant_has_one_value_however_rare_the_others_are() {
        let mut rare = vec![0.0; 999];
        rare.push(1.0);
        let (quantiles, moments) = (Marginal::quantiles(&rare), Marginal::moments(&rare));
        assert!(!quantiles.is_constant() && !quantiles.has_scale() && !moments.is_constant() && moments.has_scale());
        for constant in [[0.0; 5], [3.5; 5], [1.0, 1.0, 1.0, 1.0, 1.0 + 1e-15]] {
            assert!(Marginal::moments(&constant).is_constant() && Marginal::quantiles(&constant).is_constant());
        }
        // A small spread far from zero is more than rounding.
        assert!(!Marginal::moments(&[1e9, 1e9 + 0.1, 1e9 + 0.2]).is_constant());
    }
}
