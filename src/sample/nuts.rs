//! The No-U-Turn sampler (Hoffman and Gelman 2014; Betancourt 2017), by the crate nuts-rs.

use super::nuts_adapter::Density;
use super::{Chain, Metric, NutsOptions, SampleError, Start, Transition};
use crate::diagnostics::efmi;
use crate::model::{CountingTarget, Target};
use crate::random::Stream;
use ndarray::{Array2, aview1};
use nuts_rs::{
    Chain as _, CpuMath, DiagNutsSettings, EuclideanAdaptOptions, LowRankNutsSettings, NutsSettings, SamplerStats,
    Settings,
};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How far a chain is, after each iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainProgress {
    /// The chain, counted from 0.
    pub chain: usize,
    /// Iterations done, warm-up included.
    pub iteration: usize,
    /// Iterations in all, warm-up included.
    pub iterations: usize,
    /// Whether the chain is still warming up.
    pub warming_up: bool,
    /// Divergent iterations after the warm-up.
    pub divergences: usize,
    /// The present step size.
    pub step_size: f64,
}

/// Runs NUTS chains on `target` and returns them in order. The draws depend on the target, the start and the options
/// except `threads`, on nothing else. `progress` is called after each iteration from several threads, and cancels the run
/// by breaking. A point that the target rejects has density zero.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use ndarray::ArrayView2;
/// use stanmatch::diagnostics::summarise;
/// use stanmatch::model::{Density, Unconstrained};
/// use stanmatch::sample::{NutsOptions, Start, constrain, sample};
///
/// // The logarithm of an exponential variable.
/// let log_exponential = Unconstrained::new(Density::new(1, |x: &[f64], gradient: &mut [f64]| {
///     gradient[0] = 1.0 - x[0].exp();
///     x[0] - x[0].exp()
/// }));
/// let options = NutsOptions { seed: 3, ..NutsOptions::default() };
/// let chains = sample(&log_exponential, &options, &Start::Random, &|_| ControlFlow::Continue(()))?;
///
/// let points: Vec<ArrayView2<'_, f64>> = chains.iter().map(|chain| chain.draws.view()).collect();
/// let summaries = summarise(&constrain(&log_exponential, &points, 3)?);
/// // The mean of x is minus Euler's constant.
/// assert!(summaries[0].r_hat < 1.01 && (summaries[0].mean + 0.577).abs() < 5.0 * summaries[0].mcse);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Where an option makes no sense, a chain has no place to start, the sampler fails, or `progress` cancels the run.
pub fn sample<T: Target + ?Sized>(
    target: &T,
    options: &NutsOptions,
    start: &Start,
    progress: &(dyn Fn(ChainProgress) -> ControlFlow<()> + Sync),
) -> Result<Vec<Chain>, SampleError> {
    options.check()?;
    if target.dim() == 0 {
        return Err(SampleError::NoParameters);
    }
    start.check(options.chains, target.dim())?;
    let threads = options.threads.min(options.chains);
    let is_cancelled = AtomicBool::new(false);
    // Cancelled by one chain, all chains end.
    let progress = |done: ChainProgress| {
        if !is_cancelled.load(Ordering::Relaxed) && progress(done).is_continue() {
            return ControlFlow::Continue(());
        }
        is_cancelled.store(true, Ordering::Relaxed);
        ControlFlow::Break(())
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| SampleError::Threads { threads, reason: error.to_string() })?;
    let chain = |index| match options.metric {
        Metric::Diagonal => {
            let mut settings = with_options(DiagNutsSettings::default(), options);
            settings.adapt_options.mass_matrix_options.store_mass_matrix = true;
            run(&settings, target, options, index, start, &progress, |stats| Iteration {
                transition: transition!(stats),
                depth_limited: stats.maxdepth_reached,
                deviations: stats.hamiltonian.transformation.mass_matrix_inv,
            })
        }
        Metric::LowRank => {
            let settings = with_options(LowRankNutsSettings::default(), options);
            run(&settings, target, options, index, start, &progress, |stats| Iteration {
                transition: transition!(stats),
                depth_limited: stats.maxdepth_reached,
                deviations: None,
            })
        }
    };
    pool.install(|| (0..options.chains).into_par_iter().map(chain).collect())
}

/// What is taken of an iteration's statistics.
struct Iteration {
    transition: Transition,
    depth_limited: bool,
    /// The scales of a diagonal metric, when they have changed.
    deviations: Option<Vec<f64>>,
}

/// A transition from nuts-rs's statistics, whose types have fields in common but no trait.
macro_rules! transition {
    ($stats:expr) => {
        Transition {
            log_density: $stats.point.logp,
            acceptance: $stats.adapt.step_size.mean_tree_accept,
            step_size: $stats.hamiltonian.step_size,
            depth: $stats.depth,
            leapfrogs: $stats.adapt.step_size.n_steps,
            divergent: $stats.divergence.diverging,
            // Without the metric's determinant, which nuts-rs's own energy holds.
            energy: $stats.point.kinetic_energy - $stats.point.logp,
        }
    };
}
use transition;

fn with_options<A>(
    mut settings: NutsSettings<EuclideanAdaptOptions<A>>,
    options: &NutsOptions,
) -> NutsSettings<EuclideanAdaptOptions<A>>
where
    EuclideanAdaptOptions<A>: std::fmt::Debug + Copy + Default + serde::Serialize,
    A: std::fmt::Debug + Default,
{
    settings.num_tune = options.warmup as u64;
    settings.num_draws = options.iterations() as u64;
    settings.maxdepth = options.max_depth.into();
    settings.adapt_options.step_size_settings.target_accept = options.adapt_delta;
    // One step size per chain after the warm-up, as Stan has it by default and as its files record it.
    settings.adapt_options.step_size_settings.jitter = None;
    settings
}

/// The statistics of nuts-rs for the settings `S` on the target `T`.
type Statistics<'a, S, T> =
    <<S as Settings>::Chain<CpuMath<Density<'a, T>>> as SamplerStats<CpuMath<Density<'a, T>>>>::Stats;

fn run<'t, S: Settings, T: Target + ?Sized>(
    settings: &S,
    target: &'t T,
    options: &NutsOptions,
    index: usize,
    start: &Start,
    progress: &(dyn Fn(ChainProgress) -> ControlFlow<()> + Sync),
    read: impl for<'a> Fn(Statistics<'a, S, CountingTarget<&'t T>>) -> Iteration,
) -> Result<Chain, SampleError> {
    // Beyond the first line of nuts-rs's messages there may be a backtrace.
    let reason = |error: anyhow::Error| format!("{error:#}").lines().next().unwrap_or_default().to_owned();
    let failed = |error| SampleError::Sampler { chain: index + 1, reason: reason(error) };
    let began = Instant::now();
    let target = CountingTarget::new(target);
    let mut rng = Stream::Chain(index).of(options.seed);
    let point = start.point(&target, index, &mut rng)?;
    let mut sampler = settings.new_chain(index as u64, CpuMath::new(Density(&target)), &mut rng).map_err(failed)?;
    sampler
        .set_position(&point)
        .map_err(|error| SampleError::StartRejected { chain: index + 1, reason: reason(error) })?;

    let mut draws = Vec::new();
    let mut transitions = Vec::new();
    let mut energies = Vec::new();
    let (mut divergences, mut depth_limited) = (0, 0);
    let (mut step_size, mut deviations) = (f64::NAN, None);
    let (mut warmup_time, mut warmup_counts) = (began.elapsed(), target.counts());
    let iterations = options.warmup.saturating_add(options.iterations());
    for iteration in 0..iterations {
        let (position, _, statistics, _) = sampler.expanded_draw().map_err(failed)?;
        let Iteration { transition, depth_limited: limited, deviations: changed } = read(statistics);
        deviations = changed.or(deviations);
        step_size = transition.step_size;
        let kept = iteration.checked_sub(options.warmup);
        if let Some(kept) = kept {
            divergences += usize::from(transition.divergent);
            depth_limited += usize::from(limited);
            energies.push(transition.energy);
            if kept % options.thin == 0 {
                draws.extend_from_slice(&position);
                transitions.push(transition);
            }
        }
        if iteration + 1 == options.warmup {
            (warmup_time, warmup_counts) = (began.elapsed(), target.counts());
        }
        let warming_up = kept.is_none();
        let done =
            ChainProgress { chain: index, iteration: iteration + 1, iterations, warming_up, divergences, step_size };
        if progress(done).is_break() {
            return Err(SampleError::Cancelled);
        }
    }
    Ok(Chain {
        draws: Array2::from_shape_vec((transitions.len(), point.len()), draws).expect("D coordinates a draw"),
        transitions,
        divergences,
        depth_limited,
        efmi: efmi(aview1(&energies)),
        step_size,
        inverse_metric: deviations.map(|scales| scales.into_iter().map(|scale| scale * scale).collect()),
        warmup_gradient_evaluations: warmup_counts.gradient_evaluations,
        gradient_evaluations: (target.counts() - warmup_counts).gradient_evaluations,
        warmup_time,
        time: began.elapsed() - warmup_time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{chains_of, mcse_mean, mcse_sd, summarise};
    use crate::draws::Draws;
    use crate::model::{EvaluationError, Gaussian};
    use ndarray::{Array1, array};

    fn quietly<T: Target>(target: &T, options: &NutsOptions) -> Vec<Chain> {
        sample(target, options, &Start::Random, &|_| ControlFlow::Continue(())).unwrap()
    }

    fn together(chains: &[Chain]) -> Draws {
        let views: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
        let values = ndarray::concatenate(ndarray::Axis(0), &views).unwrap();
        let names = (0..values.ncols()).map(|column| format!("x[{column}]")).collect();
        Draws::new(names, values, views.iter().map(|view| view.nrows()).collect()).unwrap()
    }

    /// Standard deviations 1, 100 and 0.01, the first two correlated by 0.9.
    fn gaussian() -> Gaussian {
        let covariance = array![[1.0, 90.0, 0.0], [90.0, 1e4, 0.0], [0.0, 0.0, 1e-4]];
        Gaussian::new(array![1.0, -50.0, 3.0], covariance)
    }

    #[test]
    fn a_gaussian_is_reproduced() {
        for metric in [Metric::Diagonal, Metric::LowRank] {
            let draws = together(&quietly(&gaussian(), &NutsOptions { metric, ..NutsOptions::default() }));
            let truth = [(1.0, 1.0), (-50.0, 100.0), (3.0, 0.01)];
            for (column, (summary, (mean, sd))) in summarise(&draws).iter().zip(truth).enumerate() {
                // Four standard errors: with fixed seeds this is a check of the formulas, not of luck.
                assert!((summary.mean - mean).abs() < 4.0 * summary.mcse, "{metric:?}: {summary:?}");
                assert!((summary.sd - sd).abs() < 4.0 * mcse_sd(&chains_of(&draws, column)), "{metric:?}: {summary:?}");
                assert!(summary.r_hat < 1.01 && summary.ess_bulk > 1000.0, "{metric:?}: {summary:?}");
            }
        }
    }

    #[test]
    fn the_draws_depend_neither_on_the_number_of_threads_nor_of_chains() {
        let options = NutsOptions { chains: 3, warmup: 100, draws: 50, ..NutsOptions::default() };
        let values = |threads| together(&quietly(&gaussian(), &NutsOptions { threads, ..options.clone() }));
        assert_eq!(values(1), values(3));
        let [first, second, _] = <[Chain; 3]>::try_from(quietly(&gaussian(), &options)).unwrap();
        assert_ne!(first.draws, second.draws);
        // Every chain has a stream of the seed: more chains leave the first as they were.
        let alone = quietly(&gaussian(), &NutsOptions { chains: 1, ..options.clone() });
        assert_eq!(alone[0].draws, first.draws);
    }

    #[test]
    fn thinning_keeps_every_second_draw() {
        let options = |draws, thin| NutsOptions { chains: 1, warmup: 100, draws, thin, ..NutsOptions::default() };
        let (all, thinned) = (quietly(&gaussian(), &options(20, 1)), quietly(&gaussian(), &options(10, 2)));
        assert_eq!(thinned[0].draws, all[0].draws.slice(ndarray::s![..;2, ..]));
        assert_eq!(thinned[0].efmi, all[0].efmi);
    }

    #[test]
    fn gradients_are_the_leapfrog_steps() {
        let chains = quietly(&gaussian(), &NutsOptions { chains: 1, warmup: 50, draws: 20, ..NutsOptions::default() });
        let leapfrogs: u64 = chains[0].transitions.iter().map(|transition| transition.leapfrogs).sum();
        assert_eq!(chains[0].gradient_evaluations, leapfrogs);
        assert!(chains[0].warmup_gradient_evaluations > 50);
    }

    #[test]
    fn the_metric_has_the_scales_of_the_target() {
        let target = Gaussian::new(array![0.0, 0.0], array![[1.0, 0.0], [0.0, 1e4]]);
        let chains = quietly(&target, &NutsOptions { chains: 1, ..NutsOptions::default() });
        let metric = chains[0].inverse_metric.as_ref().unwrap();
        assert!((metric[0].ln()).abs() < 0.5 && (metric[1] / 1e4).ln().abs() < 0.5, "{metric:?}");
        let transition = &chains[0].transitions[0];
        let kinetic = transition.energy + transition.log_density;
        assert!(kinetic > 0.0 && kinetic < 20.0);
    }

    /// The exponential distribution, whose density ends at zero.
    struct HalfLine;

    impl Target for HalfLine {
        fn dim(&self) -> usize {
            1
        }

        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            self.log_density_and_score(x, &mut [0.0])
        }

        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            score[0] = -1.0;
            if x[0] > 0.0 { Ok(-x[0]) } else { Err(EvaluationError::Program("x must be positive".into())) }
        }
    }

    #[test]
    fn rejected_points_have_density_zero() {
        let chains = quietly(&HalfLine, &NutsOptions { draws: 4000, ..NutsOptions::default() });
        assert!(chains.iter().any(|chain| chain.divergences > 0));
        let draws = together(&chains);
        let (mean, error) = (draws.values().mean().unwrap(), mcse_mean(&chains_of(&draws, 0)));
        assert!((mean - 1.0).abs() < 4.0 * error && error < 0.1, "{mean} ± {error}");
        assert!(draws.values().iter().all(|&x| x > 0.0));
    }

    /// A target that has no density anywhere.
    struct Nowhere(usize);

    impl Target for Nowhere {
        fn dim(&self) -> usize {
            self.0
        }

        fn log_density(&self, _x: &[f64]) -> Result<f64, EvaluationError> {
            Err(EvaluationError::NotFinite)
        }

        fn log_density_and_score(&self, _x: &[f64], _score: &mut [f64]) -> Result<f64, EvaluationError> {
            Err(EvaluationError::NotFinite)
        }
    }

    #[test]
    fn what_cannot_be_sampled_is_said() {
        let options = NutsOptions { chains: 1, ..NutsOptions::default() };
        let said = |target: &dyn Target, options: &NutsOptions, start| {
            sample(target, options, &start, &|_| ControlFlow::Continue(())).unwrap_err().to_string()
        };
        assert!(said(&Nowhere(2), &options, Start::Random).contains("no initial point"));
        assert!(said(&Nowhere(1), &options, Start::At(vec![vec![0.0]])).contains("the initial point of chain 1"));
        assert!(said(&Nowhere(2), &options, Start::At(vec![vec![0.0]])).contains("2 coordinates"));
        assert!(said(&Nowhere(0), &options, Start::Random).contains("no parameters"));
        let zero = NutsOptions { thin: 0, ..options.clone() };
        assert_eq!(said(&Nowhere(1), &zero, Start::Random), "thin must be at least 1, not 0");
        let certain = NutsOptions { adapt_delta: 1.0, ..options };
        assert!(said(&Nowhere(1), &certain, Start::Random).contains("between 0 and 1"));
    }

    #[test]
    fn chains_begin_where_they_are_told() {
        let options = NutsOptions { chains: 1, warmup: 0, draws: 1, max_depth: 3, ..NutsOptions::default() };
        let start = Start::At(vec![vec![2.0, -40.0, 3.01]]);
        let draw = sample(&gaussian(), &options, &start, &|_| ControlFlow::Continue(())).unwrap().remove(0).draws;
        let distance = &draw.row(0) - &Array1::from(vec![2.0, -40.0, 3.01]);
        // Seven steps of the unit metric, some 0.01 long as the smallest standard deviation asks for, lead nowhere.
        assert!(distance.iter().all(|d| d.abs() < 5.0), "{distance}");
        let centre = Start::At(vec![vec![1.0, -50.0, 3.0]]);
        let error = sample(&gaussian(), &options, &centre, &|_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(error.contains("the initial point of chain 1") && !error.contains('\n'), "{error}");
    }
}
