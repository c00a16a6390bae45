//! Many independent chains of Hamiltonian Monte Carlo in parallel, in the coordinates of a Gaussian
//! near the target.

use crate::gaussian::{GaussianApproximation, Product};
use crate::model::Target;
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use rand::RngExt;
use rayon::prelude::*;
use std::f64::consts::FRAC_PI_2;

/// Chains of a block, one thread's work: their products with F are products of matrices. 256 chains
/// are then work for up to eight threads. Not compared with other sizes.
const BLOCK: usize = 32;
/// How often the start of a chain is drawn until the target accepts it, as often as Stan tries.
const ATTEMPTS: usize = 100;
/// The initial step size times D^¼, with which four of five trajectories of the standard normal are
/// accepted. For a fixed acceptance the step size falls as D^(−¼) (Beskos et al. 2013, Bernoulli
/// 19).
const FIRST_STEP: f64 = 1.5;
/// Most leapfrog steps of a trajectory. Not compared with other numbers.
const MOST_STEPS: usize = 64;
/// The relative half-width of the uniform jitter of the step size, so that no direction is
/// periodic. Not compared with other values.
const JITTER: f64 = 0.2;
/// The initial mean length of a trajectory, a quarter of the standard normal's period, after which
/// a state does not depend on its start.
const FIRST_LENGTH: f64 = FRAC_PI_2;
/// The relative half-width of the uniform jitter of the length. Not compared with other values.
const LENGTH_JITTER: f64 = 0.5;
/// The gain of the step size's adaptation: its logarithm moves by so many times the error of the
/// acceptance, divided by the square root of the number of adaptations (a Robbins–Monro step). Not
/// compared with other values.
const ADAPTATION_GAIN: f64 = 2.0;
/// The energy error beyond which a trajectory has diverged, as in Stan.
const DIVERGENT: f64 = 1000.0;
/// A rejected trajectory is retried with smaller steps if its acceptance probability was below this.
const HOPELESS: f64 = 0.01;
/// By how much steps are smaller in the next attempt, and how many times more there are.
const REFINEMENT: usize = 8;
/// One of so many chains of a block may make a second attempt in a transition, and one of so many a third, which
/// bounds what a transition costs.
const CHAINS_PER_ATTEMPT: [usize; 2] = [8, 16];

/// Chains of Hamiltonian Monte Carlo with unit metric in the coordinates u of x = μ + F u, all with
/// one step size.
///
/// They are simulated on the original scale: with momenta p in whitened coordinates the velocities
/// are w = F p, and a kick p += ε Fᵀ s(x) is w += ε F Fᵀ s(x). This is one product with the
/// covariance, whereas simulating u takes two with its factor. With a = Σ ε s(x), the sum of the
/// kicks, ½‖p‖² has grown by ½ aᵀ(w + w₀).
///
/// Where the target is narrower than elsewhere, steps that are right for most of it are hopeless. A trajectory that
/// was rejected there is retried with smaller steps, twice at most (delayed rejection; Modi, Barnett and Carpenter,
/// arXiv 2110.00610), so that a neck costs more where it is, and nothing elsewhere.
pub struct ParallelHmc<'a, T, F> {
    target: &'a T,
    gaussian: &'a F,
    covariance: Box<Product<'a>>,
    blocks: Vec<Block>,
    trajectory: Trajectory,
    adaptations: usize,
}

/// Mean step size and length of trajectories, which are jittered for each block and transition.
#[derive(Debug, Clone, Copy)]
struct Trajectory {
    step: f64,
    length: f64,
}

/// Statistics of a transition of all chains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HmcTransition {
    /// The mean acceptance probability.
    pub acceptance: f64,
    /// How many trajectories diverged or reached a point that the target rejects, at the last attempt.
    pub divergences: usize,
    /// For how many transitions the chain that has not moved for longest has not moved.
    pub longest_stay: usize,
}

impl<'a, T: Target, F: GaussianApproximation> ParallelHmc<'a, T, F> {
    /// `chains` chains that start at draws of `gaussian`; none if the target rejects nearly all
    /// draws.
    pub fn new(target: &'a T, gaussian: &'a F, chains: usize, rng: &mut Rng) -> Option<Self> {
        let sizes = (0..chains.div_ceil(BLOCK)).map(|block| BLOCK.min(chains - block * BLOCK));
        let mut blocks: Vec<Block> = sizes
            .map(|size| {
                rng.jump();
                Block::new(size, gaussian.dim(), rng.clone())
            })
            .collect();
        // All blocks start, even if one fails, so that the evaluations do not depend on which
        // thread was first.
        let covariance = gaussian.covariance_product();
        let started: Vec<bool> =
            blocks.par_iter_mut().map(|block| block.start(target, gaussian, &covariance)).collect();
        let trajectory = Trajectory { step: FIRST_STEP * (gaussian.dim() as f64).powf(-0.25), length: FIRST_LENGTH };
        let started = started.into_iter().all(|it| it);
        started.then_some(Self { target, gaussian, covariance, blocks, trajectory, adaptations: 0 })
    }

    /// One transition of each chain, with at most `retries` gradient evaluations for second and third attempts. The
    /// result does not depend on the number of threads.
    pub fn transition(&mut self, retries: u64) -> HmcTransition {
        let retries = retries / self.blocks.len() as u64;
        let Self { target, gaussian, covariance, trajectory, .. } = self;
        let blocks = self.blocks.par_iter_mut();
        let transitions: Vec<(f64, usize)> =
            blocks.map(|block| block.transition(*target, *gaussian, covariance, *trajectory, retries)).collect();
        let (acceptance, divergences) = transitions.iter().fold((0.0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let longest_stay = self.blocks.iter().flat_map(|block| &block.stays).max().copied().unwrap_or(0);
        HmcTransition { acceptance: acceptance / self.chains() as f64, divergences, longest_stay }
    }

    /// A transition after which the step size is adapted towards a mean acceptance probability of
    /// `acceptance`, by less the more often it was adapted.
    pub fn adapting_transition(&mut self, acceptance: f64, retries: u64) -> HmcTransition {
        let transition = self.transition(retries);
        self.adaptations += 1;
        self.trajectory.step *=
            (ADAPTATION_GAIN * (transition.acceptance - acceptance) / (self.adaptations as f64).sqrt()).exp();
        transition
    }

    /// Doubles the length of trajectories: a direction that is wide in the coordinates is then
    /// forgotten in a quarter of the transitions.
    pub fn lengthen(&mut self) {
        self.trajectory.length *= 2.0;
    }

    /// Forgets how often the step size was adapted.
    pub fn adapt_anew(&mut self) {
        self.adaptations = 0;
    }

    /// The number of chains.
    pub fn chains(&self) -> usize {
        self.blocks.iter().map(|block| block.now.x.nrows()).sum()
    }

    /// Most gradient evaluations of a transition of all chains, retries excluded.
    pub fn most_evaluations(&self) -> u64 {
        let Trajectory { step, length } = self.trajectory;
        (self.chains() * steps(length * (1.0 + LENGTH_JITTER), step * (1.0 - JITTER))) as u64
    }

    /// Where the chains are on the original scale, chains × D.
    pub fn points(&self) -> Array2<f64> {
        let views: Vec<ArrayView2<f64>> = self.blocks.iter().map(|block| block.now.x.view()).collect();
        concatenate(Axis(0), &views).expect("all points have D coordinates")
    }

    /// The log densities there.
    pub fn log_densities(&self) -> impl Iterator<Item = f64> {
        self.blocks.iter().flat_map(|block| block.now.log_densities.iter().copied())
    }
}

/// Leapfrog steps for a trajectory of this length.
fn steps(length: f64, step: f64) -> usize {
    ((length / step).round() as usize).clamp(1, MOST_STEPS)
}

/// Some chains, with the workspace of their trajectories.
struct Block {
    rng: Rng,
    /// Where the chains are.
    now: Points,
    /// Where their trajectories are.
    ahead: Points,
    /// w and w₀, chains × D.
    velocities: Array2<f64>,
    first_velocities: Array2<f64>,
    /// a, chains × D.
    kicks: Array2<f64>,
    /// Transitions since each chain moved.
    stays: Vec<usize>,
}

/// Points with the target's log densities and scores.
#[derive(Clone)]
struct Points {
    /// Chains × D.
    x: Array2<f64>,
    scores: Array2<f64>,
    /// F Fᵀ s(x), chains × D.
    slopes: Array2<f64>,
    /// −∞ for a trajectory that reached a point that the target rejects.
    log_densities: Vec<f64>,
}

impl Block {
    fn new(size: usize, dim: usize, rng: Rng) -> Self {
        let table = || Array2::zeros((size, dim));
        let points = || Points { x: table(), scores: table(), slopes: table(), log_densities: vec![0.0; size] };
        Self {
            rng,
            now: points(),
            ahead: points(),
            velocities: table(),
            first_velocities: table(),
            kicks: table(),
            stays: vec![0; size],
        }
    }

    /// Starts at draws of `gaussian`, drawn again if the target rejects them; whether there is one
    /// for each chain.
    fn start(&mut self, target: &impl Target, gaussian: &impl GaussianApproximation, covariance: &Product<'_>) -> bool {
        let Self { rng, now, kicks: noise, .. } = self;
        fill_standard_normal(rng, noise.as_slice_mut().expect("our own tables are contiguous"));
        for _ in 0..ATTEMPTS {
            gaussian.draws(noise.view(), now.x.view_mut());
            now.log_densities.fill(0.0);
            now.evaluate(target, covariance);
            let rejected: Vec<usize> =
                (0..now.x.nrows()).filter(|&row| now.log_densities[row] == f64::NEG_INFINITY).collect();
            if rejected.is_empty() {
                return true;
            }
            for row in rejected {
                let mut row = noise.row_mut(row);
                fill_standard_normal(rng, row.as_slice_mut().expect("rows are contiguous"));
            }
        }
        false
    }

    /// The sum of the acceptance probabilities of first attempts, and the number of divergences.
    fn transition(
        &mut self,
        target: &impl Target,
        gaussian: &impl GaussianApproximation,
        covariance: &Product<'_>,
        trajectory: Trajectory,
        retries: u64,
    ) -> (f64, usize) {
        let Self { rng, now, ahead, velocities, first_velocities, kicks, stays } = self;
        let length = trajectory.length * rng.random_range(1.0 - LENGTH_JITTER..1.0 + LENGTH_JITTER);
        let step = trajectory.step * rng.random_range(1.0 - JITTER..1.0 + JITTER);
        let leaps = Leaps { step, steps: steps(length, step) };
        let momenta = &mut ahead.scores;
        fill_standard_normal(rng, momenta.as_slice_mut().expect("our own tables are contiguous"));
        gaussian.multiply(momenta.view(), first_velocities.view_mut());
        let gains = leaps.simulate(target, covariance, (now, first_velocities), ahead, velocities, kicks);
        let mut rejected = Vec::new();
        for (row, (stay, &gain)) in stays.iter_mut().zip(&gains).enumerate() {
            let probability = gain.exp().min(1.0);
            if rng.random_range(0.0..1.0_f64) < probability {
                now.take(row, ahead, row);
                *stay = 0;
            } else {
                rejected.push(Rejected { row, gain, probability, remaining: 1.0 - probability });
                *stay += 1;
            }
        }
        let acceptance = gains.iter().map(|gain| gain.exp().min(1.0)).sum();
        (acceptance, self.retry(target, covariance, leaps, rejected, retries))
    }

    /// Retries trajectories that were hopeless with smaller steps, for at most `budget` gradient evaluations; the number
    /// of divergences.
    fn retry(
        &mut self,
        target: &impl Target,
        covariance: &Product<'_>,
        leaps: Leaps,
        mut rejected: Vec<Rejected>,
        mut budget: u64,
    ) -> usize {
        let Self { rng, now, first_velocities, stays, .. } = self;
        for (index, per) in CHAINS_PER_ATTEMPT.into_iter().enumerate() {
            let price = (leaps.steps * Leaps::most_trajectories(index + 1)) as u64;
            let most = stays.len().div_ceil(per).min((budget / price) as usize);
            let hopeless = rejected.iter().enumerate().filter(|(_, it)| it.probability < HOPELESS);
            let hopeless: Vec<usize> = hopeless.map(|(index, _)| index).take(most).collect();
            if hopeless.is_empty() {
                break;
            }
            budget -= price * hopeless.len() as u64;
            let rows: Vec<usize> = hopeless.iter().map(|&index| rejected[index].row).collect();
            let remaining: Vec<f64> = hopeless.iter().map(|&index| rejected[index].remaining).collect();
            let (start, velocities) = (now.select(&rows), first_velocities.select(Axis(0), &rows));
            let attempt = leaps.attempt(index + 1, target, covariance, (&start, &velocities), &remaining);
            for (row, &index) in hopeless.iter().enumerate() {
                let (it, probability) = (&mut rejected[index], attempt.probabilities[row]);
                it.gain = attempt.gains[row];
                it.probability = probability;
                it.remaining *= 1.0 - probability;
                if rng.random_range(0.0..1.0_f64) < probability {
                    now.take(it.row, &attempt.end, row);
                    stays[it.row] = 0;
                }
            }
            rejected.retain(|it| stays[it.row] > 0);
        }
        rejected.iter().filter(|it| it.gain < -DIVERGENT).count()
    }
}

/// A trajectory that was rejected.
struct Rejected {
    row: usize,
    /// How much the log joint density grew, and the acceptance probability, at the last attempt.
    gain: f64,
    probability: f64,
    /// The probability that all attempts are rejected.
    remaining: f64,
}

/// An attempt of some trajectories.
struct Attempt {
    end: Points,
    gains: Vec<f64>,
    probabilities: Vec<f64>,
}

/// The leapfrog steps of a trajectory's first attempt.
#[derive(Clone, Copy)]
struct Leaps {
    step: f64,
    steps: usize,
}

impl Leaps {
    /// Those of another attempt, counted from 0: smaller, and as many more.
    fn of_attempt(self, attempt: usize) -> Self {
        let refinement = REFINEMENT.pow(attempt as u32);
        Self { step: self.step / refinement as f64, steps: self.steps * refinement }
    }

    /// How many times the steps of a first attempt an attempt takes, with those from its end back.
    fn most_trajectories(attempt: usize) -> usize {
        REFINEMENT.pow(attempt as u32) + (0..attempt).map(Self::most_trajectories).sum::<usize>()
    }

    /// An attempt from x after hopeless ones, which were all rejected with probability `remaining`. It is accepted
    /// with probability
    ///
    /// min(1, p(y) Π (1 − αⱼ(y)) / (p(x) Π (1 − αⱼ(x))))
    ///
    /// over the earlier attempts j, if each of them, from y back, is hopeless too, and with 0 otherwise.
    fn attempt(
        self,
        attempt: usize,
        target: &impl Target,
        covariance: &Product<'_>,
        (start, first_velocities): (&Points, &Array2<f64>),
        remaining: &[f64],
    ) -> Attempt {
        let (mut end, mut velocities, mut kicks) = (start.clone(), first_velocities.clone(), first_velocities.clone());
        let leaps = self.of_attempt(attempt);
        let gains =
            leaps.simulate(target, covariance, (start, first_velocities), &mut end, &mut velocities, &mut kicks);
        velocities *= -1.0;
        let mut remaining_back = vec![1.0; gains.len()];
        for earlier in 0..attempt {
            let back = self.attempt(earlier, target, covariance, (&end, &velocities), &remaining_back);
            for (remaining, probability) in remaining_back.iter_mut().zip(back.probabilities) {
                *remaining *= if probability < HOPELESS { 1.0 - probability } else { 0.0 };
            }
        }
        let probability = |((gain, back), there): ((&f64, &f64), &f64)| {
            if *back > 0.0 { (gain.exp() * back / there).min(1.0) } else { 0.0 }
        };
        let probabilities = gains.iter().zip(&remaining_back).zip(remaining).map(probability).collect();
        Attempt { end, gains, probabilities }
    }

    /// Simulates trajectories from points with velocities. Their ends are `ahead`, with `velocities`. Returns how
    /// much the log joint density grows, −∞ where the target rejects a point. `kicks` is workspace.
    fn simulate(
        self,
        target: &impl Target,
        covariance: &Product<'_>,
        (from, first_velocities): (&Points, &Array2<f64>),
        ahead: &mut Points,
        velocities: &mut Array2<f64>,
        kicks: &mut Array2<f64>,
    ) -> Vec<f64> {
        let Self { step, steps } = self;
        velocities.assign(first_velocities);
        velocities.scaled_add(0.5 * step, &from.slopes);
        kicks.assign(&from.scores);
        *kicks *= 0.5 * step;
        ahead.x.assign(&from.x);
        ahead.log_densities.copy_from_slice(&from.log_densities);
        for index in 1..=steps {
            ahead.x.scaled_add(step, velocities);
            ahead.evaluate(target, covariance);
            let kick = if index == steps { 0.5 * step } else { step };
            velocities.scaled_add(kick, &ahead.slopes);
            kicks.scaled_add(kick, &ahead.scores);
        }
        let gain = |row: usize| {
            let (kicks, first, last) = (kicks.row(row), first_velocities.row(row), velocities.row(row));
            let gain =
                ahead.log_densities[row] - from.log_densities[row] - 0.5 * (kicks.dot(&first) + kicks.dot(&last));
            if gain.is_nan() { f64::NEG_INFINITY } else { gain }
        };
        (0..kicks.nrows()).map(gain).collect()
    }
}

impl Points {
    /// Evaluates the target at the points. A trajectory that reached a rejected point has ended and
    /// is not evaluated any more.
    fn evaluate(&mut self, target: &impl Target, covariance: &Product<'_>) {
        for (row, log_density) in self.log_densities.iter_mut().enumerate() {
            let mut score = self.scores.slice_mut(s![row, ..]);
            if *log_density > f64::NEG_INFINITY {
                let point = self.x.row(row);
                let point = point.as_slice().expect("rows are contiguous");
                let score = score.as_slice_mut().expect("rows are contiguous");
                *log_density = target.log_density_and_score(point, score).unwrap_or(f64::NEG_INFINITY);
            }
            if *log_density == f64::NEG_INFINITY {
                score.fill(0.0);
            }
        }
        covariance(self.scores.view(), self.slopes.view_mut());
    }

    /// Copies row `from` of `other` to `row`.
    fn take(&mut self, row: usize, other: &Self, from: usize) {
        self.x.row_mut(row).assign(&other.x.row(from));
        self.scores.row_mut(row).assign(&other.scores.row(from));
        self.slopes.row_mut(row).assign(&other.slopes.row(from));
        self.log_densities[row] = other.log_densities[from];
    }

    /// Some rows.
    fn select(&self, rows: &[usize]) -> Self {
        Self {
            x: self.x.select(Axis(0), rows),
            scores: self.scores.select(Axis(0), rows),
            slopes: self.slopes.select(Axis(0), rows),
            log_densities: rows.iter().map(|&row| self.log_densities[row]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;
    use crate::model::{CountingTarget, EvaluationError, Gaussian};
    use crate::random::stream;
    use ndarray::{Array1, array};

    fn standard(dim: usize) -> DenseGaussian {
        DenseGaussian::from_covariance(Array1::zeros(dim), &Array2::eye(dim)).unwrap()
    }

    /// Mean and covariance of the points after each of `transitions`, averaged.
    fn moments<T: Target, F: GaussianApproximation>(
        chains: &mut ParallelHmc<T, F>,
        transitions: usize,
    ) -> (Array1<f64>, Array2<f64>) {
        let (mut mean, mut squares) = (Array1::zeros(chains.gaussian.dim()), Array2::zeros([chains.gaussian.dim(); 2]));
        for _ in 0..transitions {
            chains.transition(u64::MAX);
            let points = chains.points();
            mean += &points.mean_axis(Axis(0)).unwrap();
            squares += &(points.t().dot(&points) / points.nrows() as f64);
        }
        let (mean, squares): (Array1<f64>, Array2<f64>) = (mean / transitions as f64, squares / transitions as f64);
        let of_mean = mean.view().insert_axis(Axis(1)).to_owned();
        (mean, squares - of_mean.dot(&of_mean.t()))
    }

    #[test]
    fn chains_from_another_gaussian_go_to_the_target_and_stay_there() {
        let target = Gaussian::new(array![1.0, -2.0, 0.5], array![[1.0, 0.6, 0.0], [0.6, 2.0, 0.0], [0.0, 0.0, 0.2]]);
        let gaussian = standard(3);
        let mut chains = ParallelHmc::new(&target, &gaussian, 1000, &mut stream(1, 0)).unwrap();
        for _ in 0..20 {
            chains.adapting_transition(0.8, u64::MAX);
        }
        let (mean, covariance) = moments(&mut chains, 40);
        // Five standard errors of 40 000 independent draws; their autocorrelations hardly matter.
        let errors = (&mean - target.mean()).mapv(f64::abs);
        assert!(errors.iter().zip(target.covariance().diag()).all(|(error, v)| *error < 0.05 * v.sqrt()), "{mean}");
        let largest = (&covariance - target.covariance()).iter().fold(0.0_f64, |m, e| m.max(e.abs()));
        assert!(largest < 0.08, "{covariance}");
    }

    #[test]
    fn what_is_wide_is_forgotten_by_longer_trajectories() {
        let target = Gaussian::new(array![0.0, 0.0], array![[36.0, 0.0], [0.0, 1.0]]);
        let gaussian = standard(2);
        // How the first coordinate correlates with where it was eight transitions before.
        let memory = |doublings| {
            let mut chains = ParallelHmc::new(&target, &gaussian, 4000, &mut stream(6, 0)).unwrap();
            (0..doublings).for_each(|_| chains.lengthen());
            (0..60).for_each(|_| {
                chains.adapting_transition(0.99, u64::MAX);
            });
            let before = chains.points().column(0).to_owned();
            (0..8).for_each(|_| {
                chains.transition(u64::MAX);
            });
            before.dot(&chains.points().column(0)) / before.dot(&before)
        };
        // Where hardly any is rejected, the mean of cos(L/6) over lengths L of a quarter period,
        // give or take half, to the eighth: 0.74, and 0.29 of half a period.
        let (short, long) = (memory(0), memory(1));
        assert!((short - 0.74).abs() < 0.06 && (long - 0.29).abs() < 0.06, "{short} and {long}");
    }

    #[test]
    fn a_long_step_is_corrected_by_rejections() {
        let (target, gaussian) = (Gaussian::new(array![0.0], array![[0.5]]), standard(1));
        let mut chains = ParallelHmc::new(&target, &gaussian, 2000, &mut stream(2, 0)).unwrap();
        chains.trajectory.step = 1.3;
        let acceptance = chains.transition(u64::MAX).acceptance;
        for _ in 0..10 {
            chains.transition(u64::MAX);
        }
        let (mean, covariance) = moments(&mut chains, 40);
        assert!(acceptance < 0.9 && mean[0].abs() < 0.02 && (covariance[[0, 0]] - 0.5).abs() < 0.02, "{covariance}");
    }

    #[test]
    fn a_chain_where_steps_are_too_long_stands_still() {
        let (target, gaussian) = (Gaussian::new(array![0.0], array![[1e-4]]), standard(1));
        let mut chains = ParallelHmc::new(&target, &gaussian, 40, &mut stream(7, 0)).unwrap();
        let stays: Vec<usize> = (0..5).map(|_| chains.transition(u64::MAX).longest_stay).collect();
        assert_eq!(stays, [1, 2, 3, 4, 5]);
        chains.trajectory.step = 0.005;
        assert!((0..20).map(|_| chains.transition(u64::MAX).longest_stay).next_back().unwrap() < 10);
    }

    #[test]
    fn the_step_size_brings_the_acceptance_that_is_wanted() {
        let dim = 50;
        let target = Gaussian::with_condition_number(dim, 10.0, &mut stream(3, 0));
        let gaussian = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
        let mean_of = |wanted| {
            let mut chains = ParallelHmc::new(&target, &gaussian, 256, &mut stream(3, 1)).unwrap();
            for _ in 0..16 {
                chains.adapting_transition(wanted, u64::MAX);
            }
            (0..20).map(|_| chains.transition(u64::MAX).acceptance).sum::<f64>() / 20.0
        };
        for wanted in [0.8, 0.95] {
            let acceptance = mean_of(wanted);
            assert!((acceptance - wanted).abs() < 0.05, "{acceptance}");
        }
    }

    #[test]
    fn chains_do_not_depend_on_the_number_of_threads_and_count_what_they_cost() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let target = CountingTarget::new(Gaussian::with_condition_number(5, 4.0, &mut stream(4, 0)));
                let gaussian = standard(5);
                let mut chains = ParallelHmc::new(&target, &gaussian, 70, &mut stream(4, 1)).unwrap();
                assert_eq!(target.counts().gradient_evaluations, 70);
                let most = chains.most_evaluations();
                chains.transition(u64::MAX);
                assert!(target.counts().gradient_evaluations <= 70 + most);
                (chains.points(), chains.log_densities().collect::<Vec<f64>>())
            })
        };
        let (one, three) = (run(1), run(3));
        assert_eq!(one, three);
        assert_eq!(one.0.dim(), (70, 5));
        // Chains are independent of each other, those of different blocks too.
        assert_ne!(one.0.row(0), one.0.row(32));
    }

    /// Neal's funnel: v ~ N(0, 1), and x ~ N(0, e^(2 · 1.5 v)) given v.
    struct Funnel;

    const NECK: f64 = 1.5;

    impl Target for Funnel {
        fn dim(&self) -> usize {
            2
        }

        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            self.log_density_and_score(x, &mut [0.0; 2])
        }

        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            let precision = (-2.0 * NECK * x[0]).exp();
            let squared = x[1] * x[1] * precision;
            score[0] = -x[0] + NECK * (squared - 1.0);
            score[1] = -x[1] * precision;
            Ok(-0.5 * (x[0] * x[0] + squared) - NECK * x[0])
        }
    }

    /// From the funnel's own draws its distribution does not change, in the neck neither, where a first attempt is
    /// hopeless; and chains leave the neck.
    #[test]
    fn a_neck_is_sampled_by_retries() {
        let (gaussian, count) = (standard(2), 4000);
        let target = CountingTarget::new(Funnel);
        let mut chains = ParallelHmc::new(&target, &gaussian, count, &mut stream(8, 0)).unwrap();
        chains.trajectory.step = 0.7;
        let draws = crate::random::standard_normal(&mut stream(8, 1), (count, 2));
        let mut rows = draws.rows().into_iter();
        for block in &mut chains.blocks {
            for mut x in block.now.x.rows_mut() {
                let noise = rows.next().unwrap();
                (x[0], x[1]) = (noise[0], (NECK * noise[0]).exp() * noise[1]);
            }
            block.now.log_densities.fill(0.0);
            block.now.evaluate(&target, &gaussian.covariance_product());
        }
        let necks = |points: &Array2<f64>| points.column(0).mapv(|v| v < -1.5);
        let before = necks(&chains.points());
        for _ in 0..40 {
            chains.transition(u64::MAX);
        }
        let (points, after) = (chains.points(), necks(&chains.points()));
        let v = points.column(0);
        // Four standard errors of independent chains.
        assert!(v.mean().unwrap().abs() < 0.064, "{}", v.mean().unwrap());
        assert!(v.std(1.0).ln().abs() < 0.045, "{}", v.std(1.0));
        let share = |neck: &ndarray::Array1<bool>| neck.iter().filter(|it| **it).count() as f64 / count as f64;
        assert!((share(&after) - 0.0668).abs() < 0.016, "{}", share(&after));
        let stayed = before.iter().zip(&after).filter(|(before, after)| **before && **after).count() as f64;
        assert!(stayed < 0.5 * share(&before) * count as f64, "{stayed} of {}", share(&before));
    }

    #[test]
    fn retries_keep_within_their_budget() {
        let (gaussian, target) = (standard(2), CountingTarget::new(Funnel));
        let mut chains = ParallelHmc::new(&target, &gaussian, 100, &mut stream(9, 0)).unwrap();
        let mut beyond = |retries| {
            let (before, most) = (target.counts().gradient_evaluations, chains.most_evaluations());
            chains.transition(retries);
            let spent = target.counts().gradient_evaluations - before;
            assert!(spent <= most + retries, "{spent}, {most} and {retries}");
            spent > most
        };
        let (none, some): (usize, usize) =
            (0..20).fold((0, 0), |(none, some), _| (none + usize::from(beyond(0)), some + usize::from(beyond(5000))));
        assert!(none == 0 && some > 10, "{some}");
    }

    /// The standard normal where the first coordinate is above a bound.
    struct Above(f64);

    impl Target for Above {
        fn dim(&self) -> usize {
            2
        }

        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            self.log_density_and_score(x, &mut [0.0; 2])
        }

        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            score.iter_mut().zip(x).for_each(|(score, x)| *score = -x);
            if x[0] > self.0 { Ok(-0.5 * (x[0] * x[0] + x[1] * x[1])) } else { Err(EvaluationError::NotFinite) }
        }
    }

    #[test]
    fn no_chain_is_where_the_target_rejects() {
        let gaussian = standard(2);
        let target = Above(0.0);
        let mut chains = ParallelHmc::new(&target, &gaussian, 500, &mut stream(5, 0)).unwrap();
        let divergences: usize = (0..50).map(|_| chains.transition(u64::MAX).divergences).sum();
        let points = chains.points();
        assert!(divergences > 0 && points.column(0).iter().all(|&x| x > 0.0));
        // Half normal: mean √(2/π).
        assert!((points.column(0).mean().unwrap() - 0.798).abs() < 0.15, "{}", points.column(0));
        assert!(ParallelHmc::new(&Above(9.0), &gaussian, 8, &mut stream(5, 0)).is_none());
    }
}
