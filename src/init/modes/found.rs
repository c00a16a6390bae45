//! The modes found so far, and whether the end of another path is news.

use super::connected::{End, are_connected, are_connected_within};
use super::{Image, Mode, Symmetry};
use crate::gaussian::half_t::{HalfT, noise};
use crate::gaussian::log_sum_exp;
use crate::init::LocalGaussian;
use crate::init::lbfgs::Point;
use crate::init::pathfinder::{PathGaussian, PathRun};
use crate::model::Target;
use crate::random::{Rng, Stream};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Draws from which a mode's weight is estimated, half of them normal, half Student-t.
const DRAWS: usize = 100;
/// Two points are the same when each is nearer than this to the other, in standard deviations.
const SAME: f64 = 0.1;
/// Converged paths to one mode end at log densities no further apart than this, in nats.
const SAME_HEIGHT: f64 = 0.1;
/// A weight may be this many of its standard errors higher than estimated, before its mode is dropped,
const DOUBT: f64 = 2.0;
/// each of which counts no more than this, in nats: where one draw has all the weight the error says nothing.
const LARGEST_ERROR: f64 = 2.0;
/// Climbs, at most, to see whether a light end belongs to a mode.
const LIGHT_CLIMBS: usize = 4;
/// Modes in all, images under symmetries included.
const MOST_MODES: usize = 128;

/// Where a path ended.
pub enum Candidate {
    /// In a mode known before, by its index.
    Known(usize),
    /// Perhaps in another.
    Run(Box<PathRun>),
    /// Nowhere: no start, or no usable Gaussian.
    Nothing,
}

impl Candidate {
    pub fn of(run: PathRun) -> Self {
        if run.best.is_some() { Self::Run(Box::new(run)) } else { Self::Nothing }
    }
}

/// What a candidate was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// Nothing new.
    Nothing,
    /// A mode too light to matter.
    LightMode,
    /// A mode of weight.
    HeavyMode,
}

/// A mode with all that tells others from it.
pub struct Found {
    pub gaussian: LocalGaussian,
    pub position: Vec<f64>,
    pub log_density: f64,
    /// Where converged paths end; none where none did.
    end: Option<(Vec<f64>, f64)>,
    elbo: f64,
    /// Draws of the Gaussian with their log densities under the target.
    draws: Array2<f64>,
    log_densities: Vec<f64>,
    /// The log weight by the draws alone.
    alone: f64,
    /// The log weight of what other modes leave to it, and its standard error.
    log_weight: f64,
    standard_error: f64,
    paths: usize,
    image: Option<Image>,
}

impl Found {
    /// Weighs the mode around a local Gaussian; none where the target has no density at its draws.
    fn new<T: Target + ?Sized>(
        target: &T,
        gaussian: PathGaussian,
        end: Option<(Vec<f64>, f64)>,
        rng: &mut Rng,
    ) -> Option<Self> {
        let elbo = gaussian.elbo;
        let gaussian = LocalGaussian::from(gaussian);
        let position = gaussian.mean().to_vec();
        // A mean may lie where there is no density, such as the centre of a ring.
        let (position, log_density) = match target.log_density(&position) {
            Ok(log_density) => (position, log_density),
            Err(_) => end.clone()?,
        };
        let noise = noise(DRAWS, target.dim(), rng);
        let mut draws = Array2::zeros(noise.dim());
        for (noise, mut draw) in noise.rows().into_iter().zip(draws.rows_mut()) {
            draw.assign(&(gaussian.multiply(noise) + gaussian.mean()));
        }
        let evaluate = |row| {
            let point = draws.row(row);
            target.log_density(point.as_slice().expect("rows are contiguous")).unwrap_or(f64::NEG_INFINITY)
        };
        let log_densities: Vec<f64> = (0..DRAWS).into_par_iter().map(evaluate).collect();
        let mut found = Self {
            gaussian,
            position,
            log_density,
            end,
            elbo,
            draws,
            log_densities,
            alone: f64::NEG_INFINITY,
            standard_error: f64::INFINITY,
            log_weight: f64::NEG_INFINITY,
            paths: 1,
            image: None,
        };
        let logs = found.log_ratios();
        (found.alone, found.standard_error) = mean_of_exponentials(&logs);
        found.log_weight = found.alone;
        found.alone.is_finite().then_some(found)
    }

    /// log p − log q of the draws.
    fn log_ratios(&self) -> Vec<f64> {
        let log_q = self.log_densities_of(self.draws.view());
        self.log_densities.iter().zip(log_q).map(|(p, q)| p - q).collect()
    }

    /// The log density of the Gaussian, widened to half Student-t, at each row of `points`.
    pub fn log_densities_of(&self, points: ArrayView2<'_, f64>) -> Vec<f64> {
        let (density, log_det) = (HalfT::new(points.ncols()), self.gaussian.log_det_factor());
        let noise = self.gaussian.noise(points);
        noise.rows().into_iter().map(|row| density.log_density(row.dot(&row)) - log_det).collect()
    }

    /// The squared distance of `x` from the Gaussian's mean, in standard deviations.
    pub fn squared_distance(&self, x: &[f64]) -> f64 {
        let noise = self.gaussian.noise(ArrayView1::from(x).insert_axis(Axis(0)));
        noise.iter().map(|e| e * e).sum()
    }

    /// The log weight that is not known to be too much.
    fn highest_log_weight(&self) -> f64 {
        self.log_weight + DOUBT * self.standard_error.min(LARGEST_ERROR)
    }

    /// What counts against others: the mode's log weight.
    pub fn log_weight(&self) -> f64 {
        self.log_weight
    }

    /// Whether the end of a converged path is the one known here.
    pub fn ends_at(&self, position: &[f64], log_density: f64) -> bool {
        self.end.as_ref().is_some_and(|(end, height)| {
            let rows = [ArrayView1::from(position), ArrayView1::from(end)].map(|row| row.insert_axis(Axis(0)));
            let [a, b] = rows.map(|row| self.gaussian.noise(row));
            (log_density - height).abs() < SAME_HEIGHT && (a - b).mapv(|e| e * e).sum() < SAME * SAME
        })
    }

    fn end(&self) -> End<'_> {
        End { position: &self.position, log_density: self.log_density }
    }
}

/// The modes found so far.
pub struct Ledger<'a, T: ?Sized> {
    target: &'a T,
    symmetries: &'a [Symmetry<'a>],
    drop_below: f64,
    seed: u64,
    /// How many candidates were seen.
    candidates: usize,
    modes: Vec<Found>,
    /// Log weights of ends that were dropped before anything else was asked of them.
    light: Vec<f64>,
}

impl<'a, T: Target + ?Sized> Ledger<'a, T> {
    pub fn new(target: &'a T, symmetries: &'a [Symmetry<'a>], drop_below: f64, seed: u64) -> Self {
        Self { target, symmetries, drop_below, seed, candidates: 0, modes: Vec::new(), light: Vec::new() }
    }

    pub fn modes(&self) -> &[Found] {
        &self.modes
    }

    /// Whether nothing but one mode was seen, neither heavy nor light: a light end of a path that was cut short is none.
    pub fn is_one_mode(&self) -> bool {
        let least = self.heaviest() - self.drop_below;
        let is_mode = |mode: &&Found| mode.end.is_some() || mode.highest_log_weight() >= least;
        self.light.is_empty() && self.modes.iter().filter(is_mode).count() <= 1
    }

    /// Sees where another path ended.
    pub fn add(&mut self, candidate: Candidate) -> News {
        self.candidates += 1;
        let run = match candidate {
            Candidate::Nothing => return News::Nothing,
            Candidate::Known(mode) => {
                self.modes[mode].paths += 1;
                return News::Nothing;
            }
            Candidate::Run(run) => run,
        };
        let PathRun { end, best, last, is_converged, .. } = *run;
        let end = is_converged.then_some(end);
        if let Some(Point { position, log_density, .. }) = &end
            && let Some(mode) = self.modes.iter_mut().find(|mode| mode.ends_at(position, *log_density))
        {
            mode.paths += 1;
            return News::Nothing;
        }
        // Streams with even numbers are the paths'.
        let mut rng = Stream::ModePath(2 * self.candidates + 1).of(self.seed);
        let mut ends = Vec::new();
        if let Some(best) = best {
            // The best Gaussian of a path may belong to a mode that it only passed.
            match end {
                Some(end) if !self.leads_to(&best, &end, &mut rng) => {
                    ends.push((best, None));
                    ends.extend(last.map(|last| (last, Some(end))));
                }
                end => ends.push((best, end)),
            }
        }
        let mut news = News::Nothing;
        for (gaussian, end) in ends {
            let is_converged = end.is_some();
            let end = end.map(|end| (end.position, end.log_density));
            if let Some(found) = Found::new(self.target, gaussian, end, &mut rng) {
                news = news.max(self.sort(found, is_converged, &mut rng));
            }
        }
        if news == News::HeavyMode && self.add_images(&mut rng) {
            self.weigh();
        }
        news
    }

    /// Whether the mean of a Gaussian along a path and the path's end are in one mode.
    fn leads_to(&self, gaussian: &PathGaussian, end: &Point, rng: &mut Rng) -> bool {
        let mean = gaussian.mean.to_vec();
        let Ok(log_density) = self.target.log_density(&mean) else { return true };
        let ends =
            [End { position: &mean, log_density }, End { position: &end.position, log_density: end.log_density }];
        let local = LocalGaussian::from(gaussian.clone());
        are_connected(self.target, ends[0], ends[1], &local, rng)
    }

    /// Puts a weighed end where it belongs.
    fn sort(&mut self, found: Found, is_converged: bool, rng: &mut Rng) -> News {
        let heaviest = self.heaviest();
        if found.highest_log_weight() < heaviest - self.drop_below {
            // A path that was cut short is no second mode, nor is one that stopped early on a long slope of another.
            if !is_converged || self.is_on_a_slope(&found, rng) {
                return News::Nothing;
            }
            self.light.push(found.log_weight);
            return News::LightMode;
        }
        match self.same_mode(&found, self.modes.len(), rng) {
            Some(index) => {
                let mode = &mut self.modes[index];
                mode.paths += 1;
                if found.elbo > mode.elbo && mode.image.is_none() {
                    *mode = Found { paths: mode.paths, ..found };
                    self.weigh();
                }
                News::Nothing
            }
            None => {
                self.modes.push(found);
                self.weigh();
                let weight = self.modes[self.modes.len() - 1].log_weight;
                if weight > self.heaviest() - self.drop_below { News::HeavyMode } else { News::LightMode }
            }
        }
    }

    /// Whether a light end lies on a slope of the nearest mode. As a mode of its own it would not matter, so that the
    /// comparison must be cheap.
    fn is_on_a_slope(&self, found: &Found, rng: &mut Rng) -> bool {
        let distance = |mode: &&Found| mode.squared_distance(&found.position);
        let nearest = self.modes.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.is_some_and(|mode| {
            are_connected_within(LIGHT_CLIMBS, self.target, mode.end(), found.end(), &mode.gaussian, rng)
        })
    }

    fn heaviest(&self) -> f64 {
        self.modes.iter().map(|mode| mode.log_weight).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The known mode that `found` is connected with, of the `nearest` nearest to it.
    fn same_mode(&self, found: &Found, nearest: usize, rng: &mut Rng) -> Option<usize> {
        let distance =
            |mode: &Found| mode.squared_distance(&found.position).min(found.squared_distance(&mode.position));
        let mut order: Vec<(f64, usize)> = self.modes.iter().map(distance).zip(0..).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let is_near = |a: &Found, b: &Found| a.squared_distance(&b.position) < SAME * SAME;
        order.truncate(nearest);
        order.into_iter().map(|(_, index)| index).find(|&index| {
            let mode = &self.modes[index];
            is_near(mode, found) && is_near(found, mode)
                || are_connected(self.target, mode.end(), found.end(), &mode.gaussian, rng)
        })
    }

    /// Adds the images of all modes under the symmetries that are modes of their own, and says whether there are any.
    fn add_images(&mut self, rng: &mut Rng) -> bool {
        let before = self.modes.len();
        let mut index = 0;
        while index < self.modes.len() {
            for (number, symmetry) in self.symmetries.iter().enumerate() {
                if self.modes.len() >= MOST_MODES {
                    return self.modes.len() > before;
                }
                let Some(image) = image(&self.modes[index], index, symmetry, number) else { continue };
                let is_known = |mode: &Found| mode.squared_distance(&image.position) < SAME * SAME;
                if !self.modes.iter().any(is_known) && self.same_mode(&image, 1, rng).is_none() {
                    self.modes.push(image);
                }
            }
            index += 1;
        }
        self.modes.len() > before
    }

    /// Weighs all modes anew: a draw counts for a mode only as far as that mode, not another, explains it. Without that
    /// the Student-t of a small mode sees a large one beside it.
    fn weigh(&mut self) {
        let weigh = |mode: &Found| -> (f64, f64) {
            let logs: Vec<Vec<f64>> = (self.modes.iter())
                .map(|other| {
                    let log_q = other.log_densities_of(mode.draws.view());
                    log_q.into_iter().map(|log| log + other.alone).collect()
                })
                .collect();
            let terms = (0..DRAWS).map(|draw| {
                let all = log_sum_exp(logs.iter().map(|log| log[draw]));
                // Its own share times p/q: q cancels.
                mode.alone + mode.log_densities[draw] - all
            });
            mean_of_exponentials(&terms.collect::<Vec<f64>>())
        };
        let mut weights: Vec<(f64, f64)> = self.modes.iter().map(weigh).collect();
        for (index, mode) in self.modes.iter_mut().enumerate() {
            // Images come after what they are images of.
            if let Some(image) = &mode.image {
                weights[index] = weights[image.of];
            }
            (mode.log_weight, mode.standard_error) = weights[index];
        }
    }

    /// The modes of weight, the heaviest first, and the log weights of the others, less the heaviest's.
    pub fn finish(self) -> (Vec<Mode>, Vec<f64>) {
        let heaviest = self.heaviest();
        let is_kept = |mode: &Found| mode.highest_log_weight() >= heaviest - self.drop_below;
        let (mut kept, dropped): (Vec<usize>, Vec<usize>) =
            (0..self.modes.len()).partition(|&index| is_kept(&self.modes[index]));
        // Stable: images have their original's weight, and stay after it.
        kept.sort_by(|&a, &b| self.modes[b].log_weight.total_cmp(&self.modes[a].log_weight));
        let mut dropped: Vec<f64> = (dropped.into_iter().map(|index| self.modes[index].log_weight))
            .chain(self.light)
            .map(|weight| weight - heaviest)
            .collect();
        dropped.sort_by(|a, b| b.total_cmp(a));
        let place = |original: usize| kept.iter().position(|&index| index == original);
        let mode = |&index: &usize| {
            let found = &self.modes[index];
            Mode {
                gaussian: found.gaussian.clone(),
                position: found.position.clone(),
                log_density: found.log_density,
                log_weight: found.log_weight,
                standard_error: found.standard_error,
                paths: found.paths,
                image: found.image.as_ref().and_then(|image| Some(Image { of: place(image.of)?, ..image.clone() })),
            }
        };
        (kept.iter().map(mode).collect(), dropped)
    }
}

/// The logarithm of the mean of exp(`logs`), and its standard error.
fn mean_of_exponentials(logs: &[f64]) -> (f64, f64) {
    let count = logs.len() as f64;
    let mean = log_sum_exp(logs.iter().copied()) - count.ln();
    let variance = logs.iter().map(|log| ((log - mean).exp() - 1.0).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

/// The image of a mode, under a symmetry, each with its index; none where the symmetry cannot be applied.
fn image(mode: &Found, index: usize, symmetry: &Symmetry<'_>, number: usize) -> Option<Found> {
    let mut draws = Array2::zeros(mode.draws.dim());
    for (draw, mut image) in mode.draws.rows().into_iter().zip(draws.rows_mut()) {
        image.assign(&ArrayView1::from(&symmetry.apply(draw.as_slice()?)?));
    }
    let end = match &mode.end {
        Some((end, height)) => Some((symmetry.apply(end)?, *height)),
        None => None,
    };
    let Image { of, mut symmetries } = mode.image.clone().unwrap_or(Image { of: index, symmetries: Vec::new() });
    symmetries.push(number);
    Some(Found {
        gaussian: symmetry.image(&mode.gaussian)?,
        position: symmetry.apply(&mode.position)?,
        end,
        draws,
        log_densities: mode.log_densities.clone(),
        paths: 0,
        image: Some(Image { of, symmetries }),
        ..*mode
    })
}
