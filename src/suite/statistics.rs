//! The tests behind the verdicts. docs/understand/regression-or-noise.md derives them.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, Normal, StudentsT};
use statrs::function::factorial::ln_binomial;

/// How often a job of a sound cell may fail, or miss what is expected of it, of itself.
const SPONTANEOUS: f64 = 1e-3;

/// The chance with which a regression of the size that is called detectable is seen.
const POWER: f64 = 0.9;

/// What is kept of one number over the seeds of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How many jobs had the number.
    pub jobs: usize,
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation (n − 1); 0 for one job.
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The standard deviation that it has at least: its Monte Carlo standard error.
    pub noise: f64,
}

impl Sample {
    /// The sample of `values`, which have at least this `noise`; None without values.
    pub fn of(values: &[f64], noise: f64) -> Option<Self> {
        let jobs = values.len();
        if jobs == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / jobs as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            jobs,
            mean,
            sd: if jobs > 1 { (squares / (jobs - 1) as f64).sqrt() } else { 0.0 },
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            noise,
        })
    }

    /// What is wrong with it, where it was read from a file with so many jobs in its cell.
    pub(super) fn check(&self, jobs: usize) -> Result<(), &'static str> {
        let Self { mean, sd, min, max, noise, .. } = *self;
        match () {
            () if !(1..=jobs).contains(&self.jobs) => Err("its numbers of jobs contradict each other"),
            () if !(sd >= 0.0 && noise >= 0.0 && min <= max && mean.is_finite()) => {
                Err("its standard deviations must not be negative, nor its smallest value the larger one")
            }
            () => Ok(()),
        }
    }

    fn squares(&self) -> f64 {
        self.sd.powi(2) * (self.jobs - 1) as f64
    }
}

/// The chances of a false alarm that a comparison may have, in both directions together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// With normal noise.
    pub normal: f64,
    /// Whatever the noise is.
    pub any: f64,
}

/// Which way a number has moved beyond noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// To larger values.
    Up,
    /// To smaller values.
    Down,
}

/// The comparison of one number over a run's seeds with the same over a baseline's.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    values: &'a [f64],
    run: Sample,
    baseline: &'a Sample,
    /// The standard deviation over seeds.
    sd: f64,
}

impl<'a> Comparison<'a> {
    /// None where there are too few seeds to know the noise.
    pub fn new(values: &'a [f64], noise: f64, baseline: &'a Sample) -> Option<Self> {
        let run = Sample::of(values, noise)?;
        let (n, m) = (run.jobs as f64, baseline.jobs as f64);
        if n + m < 3.0 {
            return None;
        }
        let pooled = (run.squares() + baseline.squares()) / (n + m - 2.0);
        let floor = (n * run.noise.powi(2) + m * baseline.noise.powi(2)) / (n + m);
        let sd = pooled.max(floor).sqrt();
        (sd.is_finite() && run.mean.is_finite()).then_some(Self { values, run, baseline, sd })
    }

    /// The run's mean less the baseline's.
    pub fn difference(&self) -> f64 {
        self.run.mean - self.baseline.mean
    }

    /// The run's mean.
    pub fn mean(&self) -> f64 {
        self.run.mean
    }

    /// The standard error of the difference.
    fn standard_error(&self) -> f64 {
        self.sd * (1.0 / self.run.jobs as f64 + 1.0 / self.baseline.jobs as f64).sqrt()
    }

    /// Where the number has moved beyond noise, at this level: Student's t test
    /// with pooled variance, and Rosenbaum's exceedance test, must both say so.
    pub fn shift(&self, level: Level) -> Option<Shift> {
        let error = self.standard_error();
        if error <= 0.0 {
            return None;
        }
        let t = self.difference() / error;
        let beyond = |value: &&f64| if t > 0.0 { **value > self.baseline.max } else { **value < self.baseline.min };
        let exceeding = self.values.iter().filter(beyond).count();
        let moved = student_tail(t.abs(), self.degrees()) <= level.normal / 2.0
            && exceeding >= exceeding_needed(level, self.run.jobs, self.baseline.jobs);
        moved.then_some(if t > 0.0 { Shift::Up } else { Shift::Down })
    }

    /// How many jobs are compared: the run's and the baseline's.
    pub fn jobs(&self) -> (usize, usize) {
        (self.run.jobs, self.baseline.jobs)
    }

    /// How large a shift is seen with the chance of `power`, which is that of [`jobs`](Self::jobs), were the noise
    /// normal.
    pub fn detectable(&self, power: &Power) -> f64 {
        // Whichever way the shift goes.
        let extreme = (self.baseline.max - self.baseline.mean).max(self.baseline.mean - self.baseline.min);
        (power.by_mean * self.standard_error()).max(extreme + self.sd * power.beyond_extremes)
    }

    /// A bound of the chance of a false alarm whatever the noise is, as long as the run's is that of the baseline.
    pub fn distribution_free_bound(&self, level: Level) -> f64 {
        let (n, m) = self.jobs();
        2.0 * exceedance_tail(exceeding_needed(level, n, m), n, m)
    }

    fn degrees(&self) -> f64 {
        (self.run.jobs + self.baseline.jobs - 2) as f64
    }
}

/// What it takes, in standard errors and standard deviations, for a shift to be seen with a chance of nine in ten.
#[derive(Debug, Clone, Copy)]
pub struct Power {
    by_mean: f64,
    beyond_extremes: f64,
}

impl Power {
    /// Of n jobs of a run against m of a baseline.
    pub fn new(level: Level, (n, m): (usize, usize)) -> Self {
        let normal = Normal::standard();
        let needed = exceeding_needed(level, n, m);
        // So many of n must lie beyond the baseline's extremes: each with the chance q.
        let q = Beta::new(needed as f64, (n - needed + 1) as f64).map_or(0.5, |beta| beta.inverse_cdf(POWER));
        let degrees = (n + m - 2) as f64;
        // The noncentral t distribution as Abramowitz and Stegun approximate it (26.7.10): the noise of the standard
        // deviation counts.
        let critical = student_quantile(level.normal / 2.0, degrees);
        let spread = (1.0 + critical * critical / (2.0 * degrees)).sqrt();
        Self {
            by_mean: critical * (1.0 - 0.25 / degrees) + normal.inverse_cdf(POWER) * spread,
            beyond_extremes: normal.inverse_cdf(q),
        }
    }
}

/// How many of a run's values must lie beyond all of the baseline's. All, where even that may happen too easily.
fn exceeding_needed(level: Level, n: usize, m: usize) -> usize {
    (1..n).find(|&count| exceedance_tail(count, n, m) <= level.any / 2.0).unwrap_or(n)
}

/// The chance that the `count` largest of n + m values of one continuous distribution are all among the n.
fn exceedance_tail(count: usize, n: usize, m: usize) -> f64 {
    (ln_binomial((n + m - count) as u64, m as u64) - ln_binomial((n + m) as u64, m as u64)).exp()
}

/// P(T ≥ t).
fn student_tail(t: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(1.0, |student| student.sf(t))
}

/// The t with P(T ≥ t) = `tail`.
fn student_quantile(tail: f64, degrees: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_tail(high, degrees) > tail && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if student_tail(middle, degrees) > tail { low = middle } else { high = middle }
    }
    high
}

/// Whether `count` of `n` jobs of a run did something that `baseline_count` of `m` did in the baseline, and did so more
/// often beyond chance: Fisher's exact test.
pub fn is_more_frequent(count: usize, n: usize, baseline_count: usize, m: usize, level: f64) -> bool {
    count > 0 && m > 0 && fisher_tail(count, n, baseline_count, m) <= level
}

/// P(X ≥ count) for the hypergeometric number of the `count + baseline_count` events among the run's `n` of n + m jobs.
fn fisher_tail(count: usize, n: usize, baseline_count: usize, m: usize) -> f64 {
    let events = count + baseline_count;
    let total = ln_binomial((n + m) as u64, events as u64);
    (count..=events.min(n))
        .filter(|&inside| events - inside <= m)
        .map(|inside| {
            (ln_binomial(n as u64, inside as u64) + ln_binomial(m as u64, (events - inside) as u64) - total).exp()
        })
        .sum()
}

/// Whether `count` of `n` jobs are more than a sound cell has of itself, one job in a thousand. All of them always are.
pub fn is_more_than_spontaneous(count: usize, n: usize, level: f64) -> bool {
    let tail = |least: usize| -> f64 {
        (least..=n)
            .map(|k| {
                let (hits, misses) = (k as f64, (n - k) as f64);
                (ln_binomial(n as u64, k as u64) + hits * SPONTANEOUS.ln() + misses * (-SPONTANEOUS).ln_1p()).exp()
            })
            .sum()
    };
    count > 0 && (count == n || tail(count) <= level)
}

/// The chance that [`is_more_than_spontaneous`] is true of the `n` jobs of a sound cell is at most this: the level, but
/// for so few jobs that all of them fail more often.
pub fn spontaneous_bound(n: usize, level: f64) -> f64 {
    level.max(SPONTANEOUS.powf(n as f64))
}

/// The median; None of nothing.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some(0.5 * (values[half - 1] + values[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Rng, stream};
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal, StudentT};

    fn close(a: f64, b: f64) -> bool {
        (a / b - 1.0).abs() < 1e-6
    }

    #[test]
    fn tails_agree_with_scipy() {
        // scipy.stats.t.sf(6.5, 46), t.isf(5e-8, 46), t.isf(5e-8, 8)
        assert!(close(student_tail(6.5, 46.0), 2.5688565977120634e-08), "{}", student_tail(6.5, 46.0));
        assert!(close(student_quantile(5e-8, 46.0), 6.307600163868469), "{}", student_quantile(5e-8, 46.0));
        assert!(close(student_quantile(5e-8, 8.0), 17.83599657319118), "{}", student_quantile(5e-8, 8.0));
        // scipy.stats.fisher_exact([[6, 2], [1, 39]], "greater"), ([[5, 0], [0, 5]], "greater")
        assert!(close(fisher_tail(6, 8, 1, 40), 1.5320035542482456e-05), "{}", fisher_tail(6, 8, 1, 40));
        assert!(close(fisher_tail(5, 5, 0, 5), 1.0 / 252.0));
        // 1 / comb(48, 8), 41 / comb(48, 8): all eight largest of 48, and at least seven
        assert!(close(exceedance_tail(8, 8, 40), 1.0 / 377348994.0));
        assert!(close(exceedance_tail(7, 8, 40), 41.0 / 377348994.0));
    }

    #[test]
    fn a_sound_cell_may_have_a_failure_of_itself_but_not_many() {
        let level = 1e-6;
        assert!(!is_more_than_spontaneous(0, 8, level) && !is_more_than_spontaneous(2, 8, level));
        assert!(is_more_than_spontaneous(3, 8, level) && is_more_than_spontaneous(1, 1, level));
    }

    #[test]
    fn one_or_two_jobs_that_fail_are_more_frequent_than_the_level() {
        assert_eq!([1, 2, 3].map(|n| spontaneous_bound(n, 1e-7)), [1e-3, 1e-6, 1e-7]);
    }

    /// How often a comparison of `n` with `m` values of the same distribution says that they differ, over `level`.
    fn false_alarms(draw: impl Fn(&mut Rng) -> f64, (n, m): (usize, usize), level: f64, repeats: usize) -> f64 {
        let mut rng = stream(7, 0);
        let mut alarms = 0;
        for _ in 0..repeats {
            let baseline: Vec<f64> = (0..m).map(|_| draw(&mut rng)).collect();
            let run: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
            let baseline = Sample::of(&baseline, 0.0).unwrap();
            alarms += usize::from(
                Comparison::new(&run, 0.0, &baseline).unwrap().shift(Level { normal: level, any: level }).is_some(),
            );
        }
        alarms as f64 / repeats as f64 / level
    }

    #[test]
    fn false_alarms_are_as_rare_as_they_should_be() {
        let normal = |rng: &mut Rng| StandardNormal.sample(rng);
        let heavy = |rng: &mut Rng| StudentT::new(3.0).unwrap().sample(rng);
        let skewed = |rng: &mut Rng| -rng.random::<f64>().ln();
        let two_modes = |rng: &mut Rng| {
            let noise: f64 = StandardNormal.sample(rng);
            0.05 * noise + if rng.random::<f64>() < 0.3 { 5.0 } else { 0.0 }
        };
        // 100 alarms are expected of a test that keeps its level exactly: 1.35 is 3.5 standard deviations above that.
        for seeds in [(8, 20), (8, 40), (5, 20), (20, 20)] {
            let rates = [
                false_alarms(normal, seeds, 1e-3, 100_000),
                false_alarms(heavy, seeds, 1e-3, 100_000),
                false_alarms(skewed, seeds, 1e-3, 100_000),
                false_alarms(two_modes, seeds, 1e-3, 100_000),
            ];
            assert!(rates.iter().all(|rate| *rate < 1.35), "{seeds:?}: {rates:?}");
        }
    }

    #[test]
    fn what_is_called_detectable_is_detected() {
        const REPEATS: u32 = 10_000;
        let (level, mut rng) = (Level { normal: 1e-7, any: 2e-6 }, stream(8, 0));
        for (n, m) in [(5, 40), (8, 20), (8, 40), (20, 20)] {
            let (mut seen, power) = (0, Power::new(level, (n, m)));
            for _ in 0..REPEATS {
                let mut draw = |count: usize, shift: f64| -> Vec<f64> {
                    (0..count)
                        .map(|_| {
                            shift + {
                                let z: f64 = StandardNormal.sample(&mut rng);
                                z
                            }
                        })
                        .collect()
                };
                let baseline = Sample::of(&draw(m, 0.0), 0.0).unwrap();
                let unmoved = draw(n, 0.0);
                let detectable = Comparison::new(&unmoved, 0.0, &baseline).unwrap().detectable(&power);
                let moved: Vec<f64> = draw(n, detectable);
                let comparison = Comparison::new(&moved, 0.0, &baseline).unwrap();
                seen += u32::from(comparison.shift(level) == Some(Shift::Up));
            }
            // The share's own standard error is 0.3 %.
            let share = f64::from(seen) / f64::from(REPEATS);
            assert!((0.88..0.93).contains(&share), "{n} against {m}: {share}");
        }
    }

    #[test]
    fn one_seed_against_one_is_no_comparison_and_noise_is_a_floor() {
        let one = Sample::of(&[1.0], 0.1).unwrap();
        assert!(Comparison::new(&[9.0], 0.1, &one).is_none());
        let same = Sample::of(&[1.0; 30], 0.0).unwrap();
        let noisy = Sample::of(&[1.0; 30], 0.5).unwrap();
        let (run, level) = ([1.5; 8], Level { normal: 1e-6, any: 1e-6 });
        assert_eq!(Comparison::new(&run, 0.5, &noisy).unwrap().shift(level), None);
        assert_eq!(Comparison::new(&run, 0.01, &same).unwrap().shift(level), Some(Shift::Up));
    }
}
