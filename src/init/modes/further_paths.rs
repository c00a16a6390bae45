//! Optimisation paths after the first ones: from places that the known modes do not explain, and no further than to where
//! it is clear that they lead to a known one.

use super::ModeOptions;
use super::connected::{DEEPEST, lowest_between};
use super::found::{Candidate, Found};
use crate::gaussian::log_sum_exp;
use crate::init::lbfgs::{LbfgsOptions, Point, climb_until};
use crate::init::pathfinder::PathRun;
use crate::init::random_init::{given_point, random_point};
use crate::model::Target;
use crate::random::{Rng, Stream};
use ndarray::{Array2, ArrayView2};
use rand::RngExt;
use rayon::prelude::*;
use std::cell::Cell;

/// Iterations of a further path at most.
const MOST_ITERATIONS: u64 = 60;
/// Iterations after which a path is compared with the nearest known mode by the densities between.
const LOOKS: [usize; 4] = [4, 8, 16, 32];
/// Points among which an unexplained one is chosen,
const CHOICE: usize = 20;
/// half of them this far from the origin at most in each coordinate, as Stan's random inits,
const NARROW: f64 = 2.0;
/// and half of them this far.
const WIDE: f64 = 6.0;
/// How many standard deviations of a chi-squared variable a point may be further out than the mean one and still belong
/// to a Gaussian,
const BREADTH: f64 = 3.0;
/// if its log density is what the Gaussian predicts to within this, in nats.
const PREDICTED: f64 = 2.0;

/// Makes paths by the round.
pub struct FurtherPaths<'a, T: ?Sized> {
    target: &'a T,
    options: &'a ModeOptions,
    noise: &'a Array2<f64>,
    /// Where the first paths began, the last one first.
    begun: Vec<Vec<f64>>,
    seed: u64,
    /// How many paths there were.
    paths: usize,
}

impl<'a, T: Target + ?Sized> FurtherPaths<'a, T> {
    pub fn new(
        target: &'a T,
        options: &'a ModeOptions,
        noise: &'a Array2<f64>,
        starts: Vec<Vec<f64>>,
        seed: u64,
    ) -> Self {
        let begun = starts.into_iter().rev().collect();
        Self { target, options, noise, begun, seed, paths: 0 }
    }

    /// Where `count` more paths end, given the modes known before: half of them begin opposite one another, or opposite
    /// the first paths, the others at points that the modes do not explain.
    pub fn round(&mut self, count: usize, modes: &[Found]) -> Vec<Candidate> {
        let mut starts = Vec::with_capacity(count);
        for index in 0..count {
            let mut rng = Stream::ModePath(2 * self.paths).of(self.seed);
            self.paths += 1;
            let start = if 2 * index < count { self.opposite(&mut rng) } else { self.unexplained(modes, &mut rng) };
            starts.push(start.or_else(|| random_point(self.target, &mut rng).ok()));
        }
        let climbed =
            starts.into_par_iter().map(|start| start.map_or(Candidate::Nothing, |start| self.climb(start, modes)));
        climbed.collect()
    }

    /// The point opposite to where an earlier path began, or where all have been answered a random one.
    fn opposite(&mut self, rng: &mut Rng) -> Option<Point> {
        match self.begun.pop() {
            Some(start) => given_point(self.target, start.iter().map(|x| -x).collect()).ok(),
            None => {
                let point = random_point(self.target, rng).ok()?;
                self.begun.push(point.position.clone());
                Some(point)
            }
        }
    }

    /// Of some random points the one whose density exceeds what the known modes predict by most.
    fn unexplained(&self, modes: &[Found], rng: &mut Rng) -> Option<Point> {
        let dim = self.target.dim();
        let mut points = Array2::zeros((CHOICE, dim));
        for (index, mut row) in points.rows_mut().into_iter().enumerate() {
            let width = if index % 2 == 0 { NARROW } else { WIDE };
            row.iter_mut().for_each(|x| *x = rng.random_range(-width..width));
        }
        let explained = explained(modes, points.view());
        let excess = |index: usize| {
            let row = points.row(index);
            let log_density = self.target.log_density(row.as_slice().expect("rows are contiguous")).ok()?;
            Some((log_density - explained[index], index))
        };
        let excesses: Vec<Option<(f64, usize)>> = (0..CHOICE).into_par_iter().map(excess).collect();
        let (_, index) = excesses.into_iter().flatten().max_by(|a, b| a.0.total_cmp(&b.0))?;
        given_point(self.target, points.row(index).to_vec()).ok()
    }

    fn climb(&self, start: Point, modes: &[Found]) -> Candidate {
        let limits = LbfgsOptions { max_iterations: MOST_ITERATIONS, ..self.options.path.climb };
        let known = Cell::new(None);
        let points = climb_until(self.target, start, limits, |position, log_density, iterations| {
            known.set(known_mode(self.target, (position, log_density), iterations, modes));
            known.get().is_some()
        });
        if let Some(mode) = known.get() {
            return Candidate::Known(mode);
        }
        let is_converged = (points.len() as u64) <= MOST_ITERATIONS;
        if let Some(end) = points.last().filter(|_| is_converged)
            && let Some(mode) = modes.iter().position(|mode| mode.ends_at(&end.position, end.log_density))
        {
            return Candidate::Known(mode);
        }
        Candidate::of(PathRun::along(self.target, points, is_converged, self.options.path.points, self.noise))
    }
}

/// log Σ w q of the modes' Gaussians, widened, at each row of `points`.
fn explained(modes: &[Found], points: ArrayView2<'_, f64>) -> Vec<f64> {
    let terms: Vec<Vec<f64>> = (modes.iter())
        .map(|mode| mode.log_densities_of(points).into_iter().map(|log| log + mode.log_weight()).collect())
        .collect();
    (0..points.nrows()).map(|row| log_sum_exp(terms.iter().map(|term: &Vec<f64>| term[row]))).collect()
}

/// The known mode that a path leads to, if that is clear: after `iterations` it is at `position` with `log_density`.
fn known_mode<T: Target + ?Sized>(
    target: &T,
    (position, log_density): (&[f64], f64),
    iterations: usize,
    modes: &[Found],
) -> Option<usize> {
    let dim = target.dim() as f64;
    let distances: Vec<f64> = modes.iter().map(|mode| mode.squared_distance(position)).collect();
    let within = |(mode, &squared): (&Found, &f64)| {
        let predicted = mode.log_density - 0.5 * squared;
        squared < dim + BREADTH * (2.0 * dim).sqrt() && (log_density - predicted).abs() < PREDICTED
    };
    if let Some(index) = modes.iter().zip(&distances).position(within) {
        return Some(index);
    }
    if !LOOKS.contains(&iterations) {
        return None;
    }
    let nearest = (0..modes.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]))?;
    let mode = &modes[nearest];
    let is_high = log_density > mode.log_density - 0.5 * dim - BREADTH * (0.5 * dim).sqrt();
    let is_joined = || {
        let least = log_density.min(mode.log_density) - DEEPEST;
        lowest_between(target, position, &mode.position).log_density >= least
    };
    (is_high && is_joined()).then_some(nearest)
}
