//! What a fit minimises: the mean of log(1 + ‖R‖²/D) over points with the target's scores, plus a
//! penalty on the coefficients. The logarithm keeps the necks of funnels and outliers from dominating.

use super::TriangularMap;
use super::coefficients::Coefficients;
use super::conditionals::Conditionals;
use super::evaluation::CHUNK;
use super::gradient::Backward;
use super::points::Points;
use super::pull_back::PullBack;
use super::table::Table;
use super::workspace::standardise_scores;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

/// Parts of the work that threads share. How chunks are shared among them depends on nothing else, so
/// that sums are the same for any number of threads. Each has buffers of its own for the derivatives.
const LANES: usize = 8;

/// The objective as a function of a map's coefficients.
pub(super) struct Objective {
    map: TriangularMap,
    chunks: Vec<Chunk>,
    lanes: Vec<Lane>,
    points: usize,
    /// λ times the weight of each coefficient.
    penalties: Vec<f64>,
}

/// Some points, with the scores there.
#[derive(Default)]
struct Chunk {
    points: Points,
    scores: Table,
}

/// Buffers for one chunk after the other, and what they sum to.
struct Lane {
    conditionals: Conditionals,
    pull_back: PullBack,
    backward: Backward,
    factors: Vec<f64>,
    value: f64,
    gradient: Coefficients,
}

impl Objective {
    /// The objective for maps with the structure, location and scale of `map`, at the rows of `points`
    /// (n × D) with the rows of `scores` (n × D) and the penalty λ Σ θ².
    pub fn new(map: &TriangularMap, points: ArrayView2<'_, f64>, scores: ArrayView2<'_, f64>, penalty: f64) -> Self {
        let chunks = points.axis_chunks_iter(Axis(0), CHUNK).zip(scores.axis_chunks_iter(Axis(0), CHUNK));
        let chunks: Vec<Chunk> = chunks
            .map(|(points, scores)| {
                let mut chunk = Chunk::default();
                chunk.points.set(map, points);
                standardise_scores(map, scores, &mut chunk.scores);
                chunk
            })
            .collect();
        let lane = || Lane {
            conditionals: Conditionals::default(),
            pull_back: PullBack::default(),
            backward: Backward::default(),
            factors: Vec::new(),
            value: 0.0,
            gradient: Coefficients::zeros(map.structure()),
        };
        let lanes = (0..LANES.min(chunks.len())).map(|_| lane()).collect();
        let penalties = Coefficients::penalties(map.structure()).into_iter().map(|weight| penalty * weight).collect();
        Self { map: map.clone(), chunks, lanes, points: points.nrows(), penalties }
    }

    /// The value at `coefficients`, and its gradient, written to `gradient`. The value is infinite where
    /// it is not finite; the gradient then has no meaning.
    pub fn evaluate(&mut self, coefficients: &[f64], gradient: &mut [f64]) -> f64 {
        let Self { map, chunks, lanes, points, penalties } = self;
        map.set_coefficients(coefficients);
        let weight = 1.0 / *points as f64;
        lanes.par_iter_mut().enumerate().for_each(|(first, lane)| {
            lane.value = 0.0;
            lane.gradient.fill(0.0);
            chunks.iter().skip(first).step_by(LANES).for_each(|chunk| lane.add(map, chunk, weight));
            lane.gradient.mask(map.structure());
        });
        gradient.fill(0.0);
        lanes.iter().for_each(|lane| lane.gradient.add_to(gradient));
        let mut value = lanes.iter().map(|lane| lane.value).sum::<f64>();
        for ((gradient, coefficient), penalty) in gradient.iter_mut().zip(coefficients).zip(penalties) {
            value += *penalty * coefficient * coefficient;
            *gradient += 2.0 * *penalty * coefficient;
        }
        if value.is_finite() { value } else { f64::INFINITY }
    }
}

impl Lane {
    fn add(&mut self, map: &TriangularMap, chunk: &Chunk, weight: f64) {
        let Self { conditionals, pull_back, backward, factors, value, gradient } = self;
        conditionals.of_points(map, &chunk.points);
        pull_back.of(map, &chunk.points, conditionals, &chunk.scores);
        factors.resize(chunk.points.count(), 0.0);
        pull_back.squared_residuals(factors);
        let dim = map.dim() as f64;
        for factor in &mut *factors {
            *value += weight * (*factor / dim).ln_1p();
            *factor = 2.0 * weight / (dim + *factor);
        }
        backward.accumulate(map, &chunk.points, (conditionals, pull_back), factors, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use crate::transport::testing::random_map;
    use proptest::prelude::*;

    /// The step of differences of fourth order. With one of 1e-3 their own error exceeds 1e-6 where a
    /// feature is large; with this one what is left is rounding, some 1e-10.
    const STEP: f64 = 1e-4;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// Every coefficient, of dimensions that make one block of positions and several, with points that
        /// make one chunk and several. The points lie within a few units of the map's scales: further out
        /// its features are in the hundreds, and differences lose their digits.
        #[test]
        fn the_gradient_is_that_of_differences(
            seed in 0u64..10_000, dim in 1usize..20, drivers in 0usize..4,
            points in prop::sample::select(vec![1, 5, 70]),
        ) {
            let map = random_map(dim, drivers.min(dim), 0.3 / (dim as f64).sqrt(), seed);
            let x = standard_normal(&mut stream(seed, 1), (points, dim)) * 1.5 * map.scale() + map.location();
            let scores = standard_normal(&mut stream(seed, 2), (points, dim)) / map.scale();
            let mut objective = Objective::new(&map, x.view(), scores.view(), 0.01);
            let mut at = map.coefficients.packed();
            let mut gradient = vec![0.0; at.len()];
            objective.evaluate(&at, &mut gradient);
            let mut used = Coefficients::zeros(map.structure());
            used.fill(1.0);
            used.mask(map.structure());
            let is_used = used.packed();
            let mut scratch = at.clone();
            for (element, derivative) in gradient.iter().enumerate() {
                // What a structure has no use for is zero and stays so.
                if is_used[element] == 0.0 {
                    prop_assert!(at[element] == 0.0 && *derivative == 0.0);
                    continue;
                }
                let start = at[element];
                let mut value = |steps: f64| {
                    at[element] = start + steps * STEP;
                    objective.evaluate(&at, &mut scratch)
                };
                let difference = (8.0 * (value(1.0) - value(-1.0)) - (value(2.0) - value(-2.0))) / (12.0 * STEP);
                at[element] = start;
                let error = (derivative - difference).abs();
                prop_assert!(error < 1e-6 * (1.0 + difference.abs()), "{element}: {derivative} and {difference}");
            }
        }
    }

    /// Where hubs modulate the dependence on the first positions only.
    #[test]
    fn in_many_dimensions_the_gradient_is_that_of_differences() {
        let map = random_map(43, 2, 0.04, 3);
        let x = standard_normal(&mut stream(3, 1), (5, 43)) * map.scale() + map.location();
        let scores = standard_normal(&mut stream(3, 2), (5, 43)) / map.scale();
        let mut objective = Objective::new(&map, x.view(), scores.view(), 0.01);
        let mut at = map.coefficients.packed();
        assert_eq!(at.len(), Coefficients::count(map.structure()));
        let mut gradient = vec![0.0; at.len()];
        objective.evaluate(&at, &mut gradient);
        let mut scratch = at.clone();
        let used: Vec<usize> = (0..at.len()).filter(|&element| at[element] != 0.0).step_by(11).collect();
        assert!(used.len() > 300);
        for element in used {
            let start = at[element];
            let mut value = |steps: f64| {
                at[element] = start + steps * STEP;
                objective.evaluate(&at, &mut scratch)
            };
            let difference = (8.0 * (value(1.0) - value(-1.0)) - (value(2.0) - value(-2.0))) / (12.0 * STEP);
            at[element] = start;
            let error = (gradient[element] - difference).abs();
            assert!(error < 1e-6 * (1.0 + difference.abs()), "{element}: {} and {difference}", gradient[element]);
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let map = random_map(20, 2, 0.05, 1);
        let x = standard_normal(&mut stream(1, 1), (1000, 20));
        let scores = standard_normal(&mut stream(1, 2), (1000, 20));
        let evaluate = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut objective = Objective::new(&map, x.view(), scores.view(), 0.01);
                let at = map.coefficients.packed();
                let mut gradient = vec![0.0; at.len()];
                (objective.evaluate(&at, &mut gradient), gradient)
            })
        };
        assert_eq!(evaluate(1), evaluate(3));
    }
}
