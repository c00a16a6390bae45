//! Moments of many chains that started independently of each other: their averages are independent,
//! so that Monte Carlo errors need no autocorrelations.

use super::Ranks;
use ndarray::{Array2, ArrayView2, Axis, Zip};
use rayon::prelude::*;

/// Moments of a quantity, or of its normal scores, over independent chains. Errors and movements of
/// the mean are in units of `sd`, those of the standard deviation are of its logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentSummary {
    /// The mean over all chains and transitions.
    pub mean: f64,
    /// The standard deviation, likewise.
    pub sd: f64,
    /// The Monte Carlo error of the mean.
    pub mean_error: f64,
    /// The Monte Carlo error of the logarithm of the standard deviation.
    pub log_sd_error: f64,
    /// How far the mean moved from the first half of the transitions to the second.
    pub mean_movement: Movement,
    /// How far the logarithm of the standard deviation moved.
    pub log_sd_movement: Movement,
}

/// A movement and its Monte Carlo error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Movement {
    /// The movement.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// Sums over the transitions of independent chains, in groups of equal length.
pub struct ChainMoments {
    scales: Vec<Scale>,
    groups: Vec<Sums>,
}

/// What is summed of a quantity.
enum Scale {
    /// Its distance from a centre near its mean, so that squares lose nothing.
    Distance(f64),
    /// Its normal score by its rank among draws.
    Score(Ranks),
}

impl Scale {
    fn centre(&self) -> f64 {
        match *self {
            Self::Distance(centre) => centre,
            Self::Score(_) => 0.0,
        }
    }

    /// The factor by which errors and movements are larger on the quantity's own scale.
    fn stretch(&self) -> f64 {
        match self {
            Self::Distance(_) => 1.0,
            Self::Score(ranks) => ranks.stretch(),
        }
    }
}

/// Sums over the transitions of a group, quantities × chains.
struct Sums {
    values: Array2<f64>,
    squares: Array2<f64>,
    transitions: usize,
}

impl ChainMoments {
    /// No transitions yet; `first` has the quantities (chains × quantities) after a transition near
    /// them, whose means are subtracted so that squares lose no precision. Quantities with `ranks`
    /// are replaced by their normal scores, which have moments whatever their tails; their errors
    /// and movements are converted to the quantity's own scale.
    pub fn new(first: ArrayView2<'_, f64>, ranks: &[Option<Ranks>]) -> Self {
        let scales = first.columns().into_iter().zip(ranks).map(|(values, ranks)| match ranks {
            Some(ranks) => Scale::Score(ranks.clone()),
            None => Scale::Distance(values.mean().unwrap_or(0.0)),
        });
        Self { scales: scales.collect(), groups: Vec::new() }
    }

    /// Begins a group.
    pub fn begin_group(&mut self, chains: usize) {
        let table = || Array2::zeros((self.scales.len(), chains));
        self.groups.push(Sums { values: table(), squares: table(), transitions: 0 });
    }

    /// The number of groups.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Discards the first half of the groups.
    pub fn discard_first_half(&mut self) {
        self.groups.drain(..self.groups.len() / 2);
    }

    /// Adds the quantities (chains × quantities) after a transition to the last group.
    ///
    /// # Panics
    /// Before a group has begun.
    pub fn add(&mut self, quantities: ArrayView2<'_, f64>) {
        let Self { scales, groups } = self;
        let Sums { values, squares, transitions } = groups.last_mut().expect("a group was begun");
        let rows = values.axis_iter_mut(Axis(0)).zip(squares.axis_iter_mut(Axis(0)));
        for ((values, squares), (now, scale)) in rows.zip(quantities.columns().into_iter().zip(&*scales)) {
            Zip::from(values).and(squares).and(now).for_each(|value, square, &now| {
                let deviation = match scale {
                    Scale::Distance(centre) => now - centre,
                    Scale::Score(ranks) => ranks.score(now),
                };
                *value += deviation;
                *square += deviation * deviation;
            });
        }
        *transitions += 1;
    }

    /// The summary of each quantity. The errors of one that never moves are NaN.
    pub fn summaries(&self) -> Vec<MomentSummary> {
        (0..self.scales.len()).into_par_iter().map(|quantity| self.summary(quantity)).collect()
    }

    fn summary(&self, quantity: usize) -> MomentSummary {
        let half = self.groups.len() / 2;
        let [all, first, second] =
            [&self.groups[..], &self.groups[..half], &self.groups[half..]].map(|groups| Averages::of(groups, quantity));
        let sd = all.variance.sqrt();
        let difference = |a: &[f64], b: &[f64]| standard_error(b.iter().zip(a).map(|(b, a)| b - a));
        let scale = &self.scales[quantity];
        let stretch = scale.stretch();
        MomentSummary {
            mean: scale.centre() + all.mean,
            sd,
            mean_error: stretch * standard_error(all.values.iter().copied()) / sd,
            log_sd_error: stretch * standard_error(all.influences.iter().copied()),
            mean_movement: Movement {
                value: stretch * (second.mean - first.mean) / sd,
                error: stretch * difference(&first.values, &second.values) / sd,
            },
            log_sd_movement: Movement {
                value: stretch * 0.5 * (second.variance / first.variance).ln(),
                error: stretch * difference(&first.influences, &second.influences),
            },
        }
    }
}

/// Averages of each chain, deviations from the centre.
struct Averages {
    values: Vec<f64>,
    /// What each chain adds to the logarithm of the standard deviation (delta method).
    influences: Vec<f64>,
    mean: f64,
    variance: f64,
}

impl Averages {
    fn of(groups: &[Sums], quantity: usize) -> Self {
        let transitions = groups.iter().map(|group| group.transitions).sum::<usize>() as f64;
        let chains = groups.first().map_or(0, |group| group.values.ncols());
        let average = |sums: &dyn Fn(&Sums, usize) -> f64| -> Vec<f64> {
            (0..chains).map(|chain| groups.iter().map(|group| sums(group, chain)).sum::<f64>() / transitions).collect()
        };
        let values = average(&|group, chain| group.values[[quantity, chain]]);
        let squares = average(&|group, chain| group.squares[[quantity, chain]]);
        let of_chains = |values: &[f64]| values.iter().sum::<f64>() / chains as f64;
        let mean = of_chains(&values);
        let variance = of_chains(&squares) - mean * mean;
        let influence = |(value, square): (&f64, &f64)| (square - 2.0 * mean * value + mean * mean) / variance / 2.0;
        let influences = values.iter().zip(&squares).map(influence).collect();
        Self { values, influences, mean, variance }
    }
}

/// The standard error of the mean of independent values.
fn standard_error(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0) / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Rng, standard_normal, stream};

    const CHAINS: usize = 256;

    /// Autoregressive chains with mean 3 and standard deviation 2, of which the mean moves by
    /// `trend` a transition.
    fn chains(correlation: f64, trend: f64, transitions: usize, rng: &mut Rng) -> ChainMoments {
        let mut now = standard_normal(rng, (CHAINS, 1));
        let mut chains = ChainMoments::new((&now * 2.0 + 3.0).view(), &[None]);
        for transition in 0..transitions {
            if transition % 4 == 0 {
                chains.begin_group(CHAINS);
            }
            now = &now * correlation + standard_normal(rng, (CHAINS, 1)) * f64::sqrt(1.0 - correlation * correlation);
            chains.add((&now * 2.0 + 3.0 + trend * transition as f64).view());
        }
        chains
    }

    #[test]
    fn errors_are_those_of_many_repetitions() {
        for correlation in [-0.3, 0.0, 0.8] {
            let mut rng = stream(1, 0);
            let repeats: Vec<MomentSummary> =
                (0..400).map(|_| chains(correlation, 0.0, 8, &mut rng).summaries()[0]).collect();
            let rms = |value: &dyn Fn(&MomentSummary) -> f64| {
                (repeats.iter().map(|it| value(it).powi(2)).sum::<f64>() / repeats.len() as f64).sqrt()
            };
            let pairs = [
                (rms(&|it| (it.mean - 3.0) / 2.0), rms(&|it| it.mean_error)),
                (rms(&|it| (it.sd / 2.0).ln()), rms(&|it| it.log_sd_error)),
                (rms(&|it| it.mean_movement.value), rms(&|it| it.mean_movement.error)),
                (rms(&|it| it.log_sd_movement.value), rms(&|it| it.log_sd_movement.error)),
            ];
            for (actual, estimated) in pairs {
                // Of 400 repetitions a root mean square has a relative error of 3.5 %.
                assert!((actual / estimated).ln().abs() < 0.14, "{correlation}: {pairs:?}");
            }
        }
    }

    #[test]
    fn a_trend_is_a_movement() {
        let summary = chains(0.5, 0.1, 16, &mut stream(2, 0)).summaries()[0];
        // Halves are eight transitions apart: 0.8 of 2, a little less in units of a standard
        // deviation that it widens.
        let movement = summary.mean_movement;
        assert!((movement.value - 0.4).abs() < 4.0 * movement.error && movement.error < 0.06, "{summary:?}");
    }

    #[test]
    fn by_ranks_a_heavy_tail_has_errors_and_movements_all_the_same() {
        let mut rng = stream(4, 0);
        // The exponential of three times a normal has moments that no number of draws shows, and
        // Q′(1)/2s = 3.
        let mut draw = |shift: f64| standard_normal(&mut rng, (CHAINS, 1)).mapv(|z| (3.0 * (z + shift)).exp());
        let ranks = Ranks::among((0..16).flat_map(|_| draw(0.0)));
        let stretch = ranks.stretch();
        let mut summary = |shift: f64| {
            let mut chains = ChainMoments::new(draw(0.0).view(), &[Some(ranks.clone())]);
            for half in [0.0, shift] {
                chains.begin_group(CHAINS);
                (0..8).for_each(|_| chains.add(draw(half).view()));
            }
            chains.summaries()[0]
        };
        let still = summary(0.0);
        assert!((still.sd - 1.0).abs() < 0.15 && (still.mean_error / stretch - 1.0 / 64.0).abs() < 0.002, "{still:?}");
        assert!(still.mean_movement.value.abs() < 4.0 * still.mean_movement.error, "{still:?}");
        let moved = summary(0.5).mean_movement.value / stretch;
        assert!((moved - 0.5).abs() < 0.12 && (stretch - 3.0).abs() < 0.5, "{moved} {stretch}");
    }

    #[test]
    fn what_is_discarded_has_no_part() {
        let mut all = chains(0.0, 0.1, 16, &mut stream(3, 0));
        let mean = all.summaries()[0].mean;
        all.discard_first_half();
        let later = all.summaries()[0];
        // Of transitions 0 to 15 the second half is 0.1 · 4 later on average.
        assert!(all.groups() == 2 && (later.mean - mean - 0.4).abs() < 0.12, "{mean} and {later:?}");
    }

    #[test]
    fn what_never_moves_has_no_errors() {
        let still = Array2::from_elem((CHAINS, 1), 7.0);
        let mut chains = ChainMoments::new(still.view(), &[None]);
        for _ in 0..2 {
            chains.begin_group(CHAINS);
            chains.add(still.view());
        }
        let summary = chains.summaries()[0];
        assert!(summary.mean == 7.0 && summary.sd == 0.0 && summary.mean_error.is_nan());
    }
}
