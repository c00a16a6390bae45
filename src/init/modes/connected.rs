//! Whether two points lie in one mode: whether some way between them stays high.

use crate::init::LocalGaussian;
use crate::init::lbfgs::{LbfgsOptions, climb};
use crate::init::random_init::given_point;
use crate::model::{EvaluationError, Target};
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array1, ArrayView1, Axis};

/// The most that the log density may dip under the lower end along the way between two points of one mode, in nats. At
/// 2 two unit normals at a distance of 4 sd would be one mode.
pub const DEEPEST: f64 = 1.0;
/// Points at which the log density is evaluated along a segment.
const POINTS: usize = 9;
/// How often a segment may be bent: into as many as 2^this pieces. Eight are too few for a ridge with a sharp bend; between
/// separate modes the first bend ends the attempt.
const BENDS: usize = 5;
/// Climbs for one comparison at most: two for each of the bends that make 2^5 pieces.
const MOST_CLIMBS: usize = 62;
/// Steps of the climb that bends a segment.
const CLIMB: LbfgsOptions = LbfgsOptions { max_iterations: 12, tolerance: 1e-2 };
/// How far from the segment the climb begins, relative to the segment's length: from the segment itself it would not
/// leave a saddle, such as the centre of a ring.
const ASIDE: f64 = 0.05;

/// A point with its log density.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    pub position: &'a [f64],
    pub log_density: f64,
}

/// The lowest point between two others.
pub struct Dip {
    pub position: Vec<f64>,
    pub log_density: f64,
}

/// The lowest of the points on the segment from `a` to `b`, the ends apart; one without a density is lower than all.
pub fn lowest_between<T: Target + ?Sized>(target: &T, a: &[f64], b: &[f64]) -> Dip {
    let at = |index: usize| {
        let part = (index + 1) as f64 / (POINTS + 1) as f64;
        let position: Vec<f64> = a.iter().zip(b).map(|(a, b)| a + part * (b - a)).collect();
        let log_density = target.log_density(&position).unwrap_or(f64::NEG_INFINITY);
        Dip { position, log_density }
    };
    (1..POINTS).map(at).fold(at(0), |lowest, dip| if dip.log_density < lowest.log_density { dip } else { lowest })
}

/// Whether some way from `a` to `b` does not dip by more than [`DEEPEST`] under the lower of them: the segment, or pieces
/// of one that is bent upwards at its lowest point, so that a curved ridge is one mode. `gaussian` says in which units
/// to climb.
pub fn are_connected<T: Target + ?Sized>(
    target: &T,
    a: End<'_>,
    b: End<'_>,
    gaussian: &LocalGaussian,
    rng: &mut Rng,
) -> bool {
    are_connected_within(MOST_CLIMBS, target, a, b, gaussian, rng)
}

/// The same by so many climbs at most.
pub fn are_connected_within<T: Target + ?Sized>(
    climbs: usize,
    target: &T,
    a: End<'_>,
    b: End<'_>,
    gaussian: &LocalGaussian,
    rng: &mut Rng,
) -> bool {
    let least = a.log_density.min(b.log_density) - DEEPEST;
    Way { target, least, gaussian, climbs, rng }.joins(a.position, b.position, BENDS)
}

/// A way that is looked for.
struct Way<'a, T: ?Sized> {
    target: &'a T,
    /// The log density that it must not fall below.
    least: f64,
    gaussian: &'a LocalGaussian,
    /// Climbs that are left.
    climbs: usize,
    rng: &'a mut Rng,
}

impl<T: Target + ?Sized> Way<'_, T> {
    fn joins(&mut self, a: &[f64], b: &[f64], bends: usize) -> bool {
        let Self { target, least, gaussian, .. } = *self;
        let lowest = lowest_between(target, a, b);
        if lowest.log_density >= least {
            return true;
        }
        // A point without a density may be the only one, as the centre of a ring is: the climb begins beside it.
        if bends == 0 {
            return false;
        }
        // The units of one end may not suit a ridge that has turned by the other.
        let plain = LocalGaussian::unit(lowest.position.clone());
        [gaussian, &plain].into_iter().any(|units| {
            if self.climbs == 0 {
                return false;
            }
            self.climbs -= 1;
            match highest_aside(target, &lowest.position, a, b, units, self.rng) {
                Some((bend, log_density)) if log_density >= least => {
                    self.joins(a, &bend, bends - 1) && self.joins(&bend, b, bends - 1)
                }
                _ => false,
            }
        })
    }
}

/// Where a climb from beside `origin` arrives in the plane through it that is orthogonal to the segment from `a` to `b`;
/// none in one dimension, or where the climb cannot begin.
fn highest_aside<T: Target + ?Sized>(
    target: &T,
    origin: &[f64],
    a: &[f64],
    b: &[f64],
    gaussian: &LocalGaussian,
    rng: &mut Rng,
) -> Option<(Vec<f64>, f64)> {
    let centred = |x: &[f64]| gaussian.noise(ArrayView1::from(x).insert_axis(Axis(0))).remove_axis(Axis(0));
    let segment = centred(b) - centred(a);
    let length = segment.dot(&segment).sqrt();
    if origin.len() < 2 || !(length.is_finite() && length > 0.0) {
        return None;
    }
    let plane = Plane { target, origin, gaussian, normal: segment / length };
    let mut aside = Array1::zeros(origin.len());
    fill_standard_normal(rng, aside.as_slice_mut().expect("a fresh vector is contiguous"));
    aside = plane.projected(aside);
    aside *= ASIDE * length / aside.dot(&aside).sqrt();
    let start = given_point(&plane, aside.to_vec()).ok()?;
    let end = climb(&plane, start, CLIMB).pop()?;
    Some((plane.point(&end.position), end.log_density))
}

/// A target in a plane: at z it is that at origin + F P z, where P projects along the unit vector `normal` and F is the
/// factor of `gaussian`.
struct Plane<'a, T: ?Sized> {
    target: &'a T,
    origin: &'a [f64],
    gaussian: &'a LocalGaussian,
    normal: Array1<f64>,
}

impl<T: Target + ?Sized> Plane<'_, T> {
    fn projected(&self, v: Array1<f64>) -> Array1<f64> {
        let along = self.normal.dot(&v);
        v - &self.normal * along
    }

    fn point(&self, z: &[f64]) -> Vec<f64> {
        let within = self.projected(ArrayView1::from(z).to_owned());
        (self.gaussian.multiply(within.view()) + ArrayView1::from(self.origin)).to_vec()
    }
}

impl<T: Target + ?Sized> Target for Plane<'_, T> {
    fn dim(&self) -> usize {
        self.origin.len()
    }

    fn log_density(&self, z: &[f64]) -> Result<f64, EvaluationError> {
        self.target.log_density(&self.point(z))
    }

    fn log_density_and_score(&self, z: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let value = self.target.log_density_and_score(&self.point(z), score)?;
        let within = self.projected(self.gaussian.multiply_transposed(ArrayView1::from(&*score)));
        score.iter_mut().zip(&within).for_each(|(score, within)| *score = *within);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Banana, Gaussian, Mixture, check_gradient};
    use crate::random::stream;
    use ndarray::{Array2, array};

    fn joined<T: Target>(target: &T, a: &[f64], b: &[f64]) -> bool {
        let end = |position| End { position, log_density: target.log_density(position).unwrap() };
        let unit = LocalGaussian::unit(a.to_vec());
        are_connected(target, end(a), end(b), &unit, &mut stream(1, 0))
    }

    #[test]
    fn arms_of_a_banana_are_one_mode() {
        assert!(
            lowest_between(&Banana, &[-2.0, -5.0], &[2.0, -5.0]).log_density
                < Banana.log_density(&[2.0, -5.0]).unwrap() - 2.0
        );
        assert!(joined(&Banana, &[-2.0, -5.0], &[2.0, -5.0]));
    }

    #[test]
    fn normals_are_apart_from_a_distance_of_four_on() {
        let pair = |distance: f64| {
            let at = |x: f64| Gaussian::new(array![x, 0.0], Array2::eye(2));
            let target = Mixture(vec![at(-0.5 * distance), at(0.5 * distance)]);
            joined(&target, &[-0.5 * distance, 0.0], &[0.5 * distance, 0.0])
        };
        assert!(pair(1.0) && pair(2.5));
        assert!(!pair(4.0) && !pair(8.0));
    }

    #[test]
    fn the_plane_has_the_targets_gradient() {
        let gaussian = LocalGaussian::Dense(
            crate::gaussian::DenseGaussian::from_covariance(array![0.0, 0.0], &array![[2.0, 0.3], [0.3, 0.5]]).unwrap(),
        );
        let plane = Plane { target: &Banana, origin: &[0.2, -1.0], gaussian: &gaussian, normal: array![0.6, 0.8] };
        assert!(check_gradient(&plane, &[0.4, 0.3]).unwrap().unwrap().error < 1.0);
    }
}
