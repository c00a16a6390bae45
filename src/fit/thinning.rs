//! Points of a run whose length is not known before it ends.

use crate::draws::evenly_spaced;
use ndarray::{Array2, ArrayView2, Axis, concatenate};

/// The points after some transitions, evenly spaced, of so many as there may come to be.
pub struct ThinnedBuffer {
    wanted: usize,
    stride: usize,
    offered: usize,
    points: Vec<Array2<f64>>,
}

impl ThinnedBuffer {
    /// Space for the points after `wanted` transitions.
    pub fn new(wanted: usize) -> Self {
        Self { wanted, stride: 1, offered: 0, points: Vec::new() }
    }

    /// Keeps the points after one more transition, or does not.
    pub fn offer(&mut self, points: impl FnOnce() -> Array2<f64>) {
        self.offered += 1;
        if !self.offered.is_multiple_of(self.stride) {
            return;
        }
        self.points.push(points());
        if self.points.len() == 2 * self.wanted {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            self.stride *= 2;
        }
    }

    /// Whether there are as many as were wanted.
    pub fn are_enough(&self) -> bool {
        self.points.len() >= self.wanted
    }

    /// All that are kept.
    pub fn all(&self) -> Array2<f64> {
        let views: Vec<ArrayView2<f64>> = self.points.iter().map(|points| points.view()).collect();
        concatenate(Axis(0), &views).expect("all points have D coordinates")
    }

    /// As many as were wanted.
    pub fn evenly_spaced(&self) -> Array2<f64> {
        let chosen = evenly_spaced(self.points.len(), self.wanted).into_iter().map(|index| self.points[index].view());
        concatenate(Axis(0), &chosen.collect::<Vec<ArrayView2<f64>>>()).expect("all points have D coordinates")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_evenly_spaced_however_much_there_was() {
        for offered in [16, 17, 40, 64, 100, 128] {
            let mut kept = ThinnedBuffer::new(16);
            for transition in 0..offered {
                kept.offer(|| Array2::from_elem((2, 1), f64::from(transition)));
                assert_eq!(kept.are_enough(), transition >= 15);
            }
            let points = kept.evenly_spaced();
            let transitions: Vec<f64> = points.column(0).iter().step_by(2).copied().collect();
            assert_eq!((points.nrows(), transitions.len()), (32, 16));
            let gaps: Vec<f64> = transitions.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (least, most) =
                (gaps.iter().fold(f64::MAX, |m, g| m.min(*g)), gaps.iter().fold(0.0_f64, |m, g| m.max(*g)));
            assert!(least >= 1.0 && most <= 2.0 * least, "{offered}: {transitions:?}");
            assert!(transitions[15] > f64::from(offered) - 1.0 - most, "{offered}: {transitions:?}");
        }
    }
}
