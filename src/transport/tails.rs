//! The last step of a map, from a standardised deviation v to the noise u: a sinh-arcsinh transform
//! with a weight for each of its tails.
//!
//! u = sinh q with q = ε + δ (y + t (√(1 + y²) − 1)), y = asinh v, δ = eᵈ and t = tanh b: far out
//! log |u| grows as δ (1 + t) log v on the right and δ (1 − t) log |v| on the left. With ε = d = b = 0
//! it is the identity. After Jones and Pewsey (Biometrika 96, 2009), whose transform has t = 0.

/// The largest |d|. It lies beyond all tails of interest, and keeps δ and 1/δ finite.
const LARGEST_LOG_WEIGHT: f64 = 5.0;

/// The transform τ of one coordinate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    shift: f64,
    weight: f64,
    /// Whether d is inside its bounds, where δ depends on it.
    free: bool,
    asymmetry: f64,
}

/// Derivatives of τ at a point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slopes {
    /// τ'(v).
    pub slope: f64,
    /// κ = d log τ'/dv.
    pub kappa: f64,
    /// dκ/dv.
    pub kappa_slope: f64,
}

impl Tail {
    /// τ with the coefficients ε, d and b.
    pub fn new(shift: f64, log_weight: f64, asymmetry: f64) -> Self {
        let bounded = log_weight.clamp(-LARGEST_LOG_WEIGHT, LARGEST_LOG_WEIGHT);
        Self { shift, weight: bounded.exp(), free: bounded == log_weight, asymmetry: asymmetry.tanh() }
    }

    /// y = asinh v and u = τ(v).
    pub fn forward(&self, v: f64) -> (f64, f64) {
        let y = asinh(v);
        (y, sinh(self.shift + self.bent(y)))
    }

    /// y = asinh v and v = τ⁻¹(u).
    pub fn backward(&self, u: f64) -> (f64, f64) {
        let t = self.asymmetry;
        let rest = 1.0 - t * t;
        let c = (asinh(u) - self.shift) / self.weight + t;
        let y = (c - t * (c * c + rest).sqrt()) / rest;
        (y, sinh(y))
    }

    /// q − ε as a function of y.
    fn bent(&self, y: f64) -> f64 {
        self.weight * (y + self.asymmetry * ((1.0 + y * y).sqrt() - 1.0))
    }

    /// τ'(v), given y = asinh v and u = τ(v).
    pub fn slope(&self, v: f64, y: f64, u: f64) -> f64 {
        let q1 = self.weight * (1.0 + self.asymmetry * y / (1.0 + y * y).sqrt());
        (1.0 + u * u).sqrt() * q1 / (1.0 + v * v).sqrt()
    }

    /// τ' and what follows of it, given y = asinh v and u = τ(v).
    pub fn slopes(&self, v: f64, y: f64, u: f64) -> Slopes {
        let (squared, cosh_squared) = (1.0 + v * v, 1.0 + u * u);
        let (root, s2) = (squared.sqrt(), 1.0 + y * y);
        let s = s2.sqrt();
        let (cosh, tanh) = (cosh_squared.sqrt(), u / cosh_squared.sqrt());
        // Derivatives of q in y, and g = d log(cosh q · q')/dy with its own.
        let q1 = self.weight * (1.0 + self.asymmetry * y / s);
        let q2 = self.weight * self.asymmetry / (s * s2);
        let bend = q2 / q1;
        let third = -3.0 * y / s2 * bend;
        let g = tanh * q1 + bend;
        let g_slope = q1 * q1 / cosh_squared + tanh * q2 + third - bend * bend;
        let kappa = g / root - v / squared;
        let kappa_slope = g_slope / squared - g * v / (squared * root) - (1.0 - v * v) / (squared * squared);
        Slopes { slope: cosh * q1 / root, kappa, kappa_slope }
    }

    /// The derivatives of R = Q + u in ε, d and b, where Q = (eᵃ z − κ)/τ' is `quotient`.
    pub fn derivatives(&self, (v, y, u): (f64, f64, f64), quotient: f64) -> [f64; 3] {
        let t = self.asymmetry;
        let s2 = 1.0 + y * y;
        let s = s2.sqrt();
        let cosh_squared = 1.0 + u * u;
        let (cosh, root) = (cosh_squared.sqrt(), (1.0 + v * v).sqrt());
        let tanh = u / cosh;
        let q1 = self.weight * (1.0 + t * y / s);
        let bend = self.weight * t / (s * s2 * q1);
        let slope = cosh * q1 / root;
        // A change of q by h(y) changes log τ' by tanh q · h + h'/q', and κ by that one's derivative.
        let along = |h: f64, h1: f64, h2: f64| {
            let log_slope = tanh * h + h1 / q1;
            let kappa = (h * q1 / cosh_squared + tanh * h1 + h2 / q1 - bend * h1 / q1) / root;
            -quotient * log_slope - kappa / slope + cosh * h
        };
        let lean = self.weight * (1.0 - t * t);
        let by_weight = if self.free { along(self.bent(y), q1, bend * q1) } else { 0.0 };
        [along(1.0, 0.0, 0.0), by_weight, along(lean * (s - 1.0), lean * y / s, lean / (s * s2))]
    }
}

/// Exact up to an absolute error of the machine's precision, which a relative one near 0 is not worth.
fn asinh(x: f64) -> f64 {
    (x.abs() + (1.0 + x * x).sqrt()).ln().copysign(x)
}

/// As exact as [`asinh`].
fn sinh(x: f64) -> f64 {
    let e = x.exp();
    0.5 * (e - 1.0 / e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// (f(x + h) − f(x − h)) / 2h to fourth order.
    fn difference(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        let h = 1e-3;
        (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h)
    }

    fn close(a: f64, b: f64, relative: f64) -> bool {
        (a - b).abs() < relative * (1.0 + a.abs().max(b.abs()))
    }

    proptest! {
        #[test]
        fn the_inverse_and_all_derivatives_are_tau_s(
            v in -20.0..20.0_f64, shift in -1.0..1.0_f64, log_weight in -0.7..0.7_f64,
            asymmetry in -0.7..0.7_f64, z in -3.0..3.0_f64,
        ) {
            let tail = Tail::new(shift, log_weight, asymmetry);
            let tau = |v: f64| tail.forward(v).1;
            let slopes = |v: f64| { let (y, u) = tail.forward(v); tail.slopes(v, y, u) };
            let (y, u) = tail.forward(v);
            let at = slopes(v);
            prop_assert!(close(tail.backward(u).1, v, 1e-12) && close(tail.backward(u).0, y, 1e-12));
            prop_assert!(close(at.slope, difference(tau, v), 1e-8) && at.slope == tail.slope(v, y, u));
            prop_assert!(close(at.kappa, difference(|v| slopes(v).slope.ln(), v), 1e-8));
            prop_assert!(close(at.kappa_slope, difference(|v| slopes(v).kappa, v), 1e-8));
            // R = (z − κ)/τ' + u as a function of each coefficient.
            let residual = |tail: Tail| {
                let (y, u) = tail.forward(v);
                let at = tail.slopes(v, y, u);
                (z - at.kappa) / at.slope + u
            };
            let found = tail.derivatives((v, y, u), (z - at.kappa) / at.slope);
            let expected = [
                difference(|shift| residual(Tail::new(shift, log_weight, asymmetry)), shift),
                difference(|weight| residual(Tail::new(shift, weight, asymmetry)), log_weight),
                difference(|lean| residual(Tail::new(shift, log_weight, lean)), asymmetry),
            ];
            for (found, expected) in found.into_iter().zip(expected) {
                prop_assert!(close(found, expected, 1e-7), "{found} and {expected}");
            }
        }
    }

    #[test]
    fn without_coefficients_it_is_the_identity() {
        let tail = Tail::new(0.0, 0.0, 0.0);
        for v in [-1e6, -2.0, 0.0, 1e-9, 3.0, 1e5] {
            let (y, u) = tail.forward(v);
            let at = tail.slopes(v, y, u);
            assert!(close(u, v, 1e-14) && close(tail.backward(v).1, v, 1e-14));
            assert!(close(at.slope, 1.0, 1e-14) && at.kappa.abs() < 1e-14 && at.kappa_slope.abs() < 1e-14);
        }
    }

    #[test]
    fn the_weight_is_bounded_and_does_not_move_beyond() {
        let (bound, beyond) = (Tail::new(0.1, LARGEST_LOG_WEIGHT, 0.2), Tail::new(0.1, 9.0, 0.2));
        assert_eq!(bound.forward(0.01), beyond.forward(0.01));
        let (y, u) = beyond.forward(0.01);
        assert_eq!(beyond.derivatives((0.01, y, u), 0.5)[1], 0.0);
    }
}
