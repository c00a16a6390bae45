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

/// Chains of Hamiltonian Monte Carlo with unit metric in the coordinates u of x = μ + F u, all with
/// one step size.
///
/// They are simulated on the original scale: with momenta p in whitened coordinates the velocities
/// are w = F p, and a kick p += ε Fᵀ s(x) is w += ε F Fᵀ s(x). This is one product with the
/// covariance, whereas simulating u takes two with its factor. With a = Σ ε s(x), the sum of the
/// kicks, ½‖p‖² has grown by ½ aᵀ(w + w₀).
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
    /// How many trajectories diverged or reached a point that the target rejects.
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

    /// One transition of each chain. The result does not depend on the number of threads.
    pub fn transition(&mut self) -> HmcTransition {
        let Self { target, gaussian, covariance, trajectory, .. } = self;
        let blocks = self.blocks.par_iter_mut();
        let transitions: Vec<(f64, usize)> =
            blocks.map(|block| block.transition(*target, *gaussian, covariance, *trajectory)).collect();
        let (acceptance, divergences) = transitions.iter().fold((0.0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let longest_stay = self.blocks.iter().flat_map(|block| &block.stays).max().copied().unwrap_or(0);
        HmcTransition { acceptance: acceptance / self.chains() as f64, divergences, longest_stay }
    }

    /// A transition after which the step size is adapted towards a mean acceptance probability of
    /// `acceptance`, by less the more often it was adapted.
    pub fn adapting_transition(&mut self, acceptance: f64) -> HmcTransition {
        let transition = self.transition();
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

    /// Most gradient evaluations of a transition of all chains.
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

    /// The sum of the acceptance probabilities, and the number of divergences.
    fn transition(
        &mut self,
        target: &impl Target,
        gaussian: &impl GaussianApproximation,
        covariance: &Product<'_>,
        trajectory: Trajectory,
    ) -> (f64, usize) {
        let Self { rng, now, ahead, velocities, first_velocities, kicks, stays } = self;
        let length = trajectory.length * rng.random_range(1.0 - LENGTH_JITTER..1.0 + LENGTH_JITTER);
        let step = trajectory.step * rng.random_range(1.0 - JITTER..1.0 + JITTER);
        let steps = steps(length, step);
        let momenta = &mut ahead.scores;
        fill_standard_normal(rng, momenta.as_slice_mut().expect("our own tables are contiguous"));
        gaussian.multiply(momenta.view(), first_velocities.view_mut());
        velocities.assign(first_velocities);
        velocities.scaled_add(0.5 * step, &now.slopes);
        kicks.assign(&now.scores);
        *kicks *= 0.5 * step;
        ahead.x.assign(&now.x);
        ahead.log_densities.copy_from_slice(&now.log_densities);
        for index in 1..=steps {
            ahead.x.scaled_add(step, velocities);
            ahead.evaluate(target, covariance);
            let kick = if index == steps { 0.5 * step } else { step };
            velocities.scaled_add(kick, &ahead.slopes);
            kicks.scaled_add(kick, &ahead.scores);
        }
        *velocities += &*first_velocities;
        let (mut acceptance, mut divergences) = (0.0, 0);
        for (row, stay) in stays.iter_mut().enumerate() {
            let kinetic = 0.5 * kicks.row(row).dot(&velocities.row(row));
            let gain = ahead.log_densities[row] - now.log_densities[row] - kinetic;
            let gain = if gain.is_nan() { f64::NEG_INFINITY } else { gain };
            divergences += usize::from(gain < -DIVERGENT);
            acceptance += gain.exp().min(1.0);
            *stay += 1;
            if rng.random_range(0.0..1.0_f64).ln() < gain {
                now.take(ahead, row);
                *stay = 0;
            }
        }
        (acceptance, divergences)
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

    /// Copies a row of `other`.
    fn take(&mut self, other: &Self, row: usize) {
        self.x.row_mut(row).assign(&other.x.row(row));
        self.scores.row_mut(row).assign(&other.scores.row(row));
        self.slopes.row_mut(row).assign(&other.slopes.row(row));
        self.log_densities[row] = other.log_densities[row];
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
            chains.transition();
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
            chains.adapting_transition(0.8);
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
                chains.adapting_transition(0.99);
            });
            let before = chains.points().column(0).to_owned();
            (0..8).for_each(|_| {
                chains.transition();
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
        let acceptance = chains.transition().acceptance;
        for _ in 0..10 {
            chains.transition();
        }
        let (mean, covariance) = moments(&mut chains, 40);
        assert!(acceptance < 0.9 && mean[0].abs() < 0.02 && (covariance[[0, 0]] - 0.5).abs() < 0.02, "{covariance}");
    }

    #[test]
    fn a_chain_where_steps_are_too_long_stands_still() {
        let (target, gaussian) = (Gaussian::new(array![0.0], array![[1e-4]]), standard(1));
        let mut chains = ParallelHmc::new(&target, &gaussian, 40, &mut stream(7, 0)).unwrap();
        let stays: Vec<usize> = (0..5).map(|_| chains.transition().longest_stay).collect();
        assert_eq!(stays, [1, 2, 3, 4, 5]);
        chains.trajectory.step = 0.005;
        assert!((0..20).map(|_| chains.transition().longest_stay).next_back().unwrap() < 10);
    }

    #[test]
    fn the_step_size_brings_the_acceptance_that_is_wanted() {
        let dim = 50;
        let target = Gaussian::with_condition_number(dim, 10.0, &mut stream(3, 0));
        let gaussian = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
        let mean_of = |wanted| {
            let mut chains = ParallelHmc::new(&target, &gaussian, 256, &mut stream(3, 1)).unwrap();
            for _ in 0..16 {
                chains.adapting_transition(wanted);
            }
            (0..20).map(|_| chains.transition().acceptance).sum::<f64>() / 20.0
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
                chains.transition();
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
        let divergences: usize = (0..50).map(|_| chains.transition().divergences).sum();
        let points = chains.points();
        assert!(divergences > 0 && points.column(0).iter().all(|&x| x > 0.0));
        // Half normal: mean √(2/π).
        assert!((points.column(0).mean().unwrap() - 0.798).abs() < 0.15, "{}", points.column(0));
        assert!(ParallelHmc::new(&Above(9.0), &gaussian, 8, &mut stream(5, 0)).is_none());
    }
}
