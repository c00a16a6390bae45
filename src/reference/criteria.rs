//! Posteriordb's conditions for reference draws (its `doc/REFERENCE_POSTERIOR_DEFINITION.md` and R package).

use super::failure::{LARGEST_LAG1, LEAST_CHAINS, REFERENCE_DRAWS, ReferenceFailure};
use crate::diagnostics::{LARGEST_R_HAT, SMALLEST_EFMI, chains_of, ess_bulk_and_r_hat, ess_tail, lag1_autocorrelation};
use crate::draws::Draws;
use rayon::prelude::*;
use serde::Serialize;

/// The effective sample sizes that independent draws of `quantities` have nearly always: for one the number of draws ±
/// 4 √(7 · number), as posteriordb has it. The estimates have long tails: for normal draws in 10 chains of 1 000 the
/// tail size of one in 170 quantities is below that, and of one in ten times as many for each further √(7 · number). So
/// of a thousand quantities any is outside these bounds about as seldom as a single one is outside its own.
fn ess_bounds(draws: usize, quantities: usize) -> (f64, f64) {
    let sds = 4.0 + (quantities.max(1) as f64).log10();
    let (draws, spread) = (draws as f64, sds * (7.0 * draws as f64).sqrt());
    (draws - spread, draws + spread)
}

/// What is known of reference draws, quantity by quantity and chain by chain. Undefined diagnostics are NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceDiagnostics {
    /// The quantities' names.
    pub names: Vec<String>,
    /// Draws over all chains.
    pub draws: usize,
    /// Number of chains.
    pub chains: usize,
    /// What the effective sample sizes must lie between.
    pub ess_bounds: (f64, f64),
    /// Bulk effective sample size of each quantity.
    pub ess_bulk: Vec<f64>,
    /// Tail effective sample size of each quantity.
    pub ess_tail: Vec<f64>,
    /// Rank-normalised split R-hat of each quantity.
    pub r_hat: Vec<f64>,
    /// Autocorrelation at lag 1 of each quantity, averaged over the chains.
    pub mean_lag1: Vec<f64>,
    /// Divergent transitions of each chain.
    pub divergences: Vec<usize>,
    /// Energy fraction of missing information of each chain.
    pub efmi: Vec<f64>,
    /// The first quantity whose draws have no finite mean and standard deviation.
    pub unbounded: Option<String>,
}

/// Which of posteriordb's checks hold, under its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are posteriordb's own and say it")]
pub struct ChecksMade {
    pub ndraws_is_10k: bool,
    pub nchains_is_gte_4: bool,
    pub ess_within_bounds: bool,
    pub r_hat_below_1_01: bool,
    pub efmi_above_0_2: bool,
    pub abs_mean_lag1_ac_below_0_05: bool,
    pub no_divergent_transitions: bool,
}

impl ReferenceDiagnostics {
    /// The diagnostics of draws whose chains have these counts of divergences and fractions of missing information.
    pub fn new(draws: &Draws, divergences: Vec<usize>, efmi: Vec<f64>) -> Self {
        let of_each = |diagnostic: &(dyn Fn(usize) -> f64 + Sync)| -> Vec<f64> {
            (0..draws.names().len()).into_par_iter().map(diagnostic).collect()
        };
        let columns = (0..draws.names().len()).into_par_iter();
        let (ess_bulk, r_hat) = columns.map(|column| ess_bulk_and_r_hat(&chains_of(draws, column))).unzip();
        Self {
            names: draws.names().to_vec(),
            draws: draws.len(),
            chains: draws.chain_lengths().len(),
            ess_bounds: ess_bounds(draws.len(), 1),
            ess_bulk,
            ess_tail: of_each(&|column| ess_tail(&chains_of(draws, column))),
            r_hat,
            mean_lag1: of_each(&|column| {
                let chains = chains_of(draws, column);
                chains.iter().map(|chain| lag1_autocorrelation(*chain)).sum::<f64>() / chains.len() as f64
            }),
            divergences,
            efmi,
            unbounded: (0..draws.names().len())
                .find(|&column| !draws.values().column(column).std(0.0).is_finite())
                .map(|column| draws.names()[column].clone()),
        }
    }

    /// The same, with bounds on the effective sample sizes for all quantities at once.
    pub fn of_many(self) -> Self {
        Self { ess_bounds: ess_bounds(self.draws, self.names.len()), ..self }
    }

    /// Which checks hold.
    pub fn checks(&self) -> ChecksMade {
        let sizes = self.ess_bulk.iter().chain(&self.ess_tail);
        ChecksMade {
            ndraws_is_10k: self.draws == REFERENCE_DRAWS,
            nchains_is_gte_4: self.chains >= LEAST_CHAINS,
            ess_within_bounds: sizes.into_iter().all(|&size| self.is_within(size)),
            r_hat_below_1_01: self.r_hat.iter().all(|&r_hat| r_hat < LARGEST_R_HAT),
            efmi_above_0_2: self.efmi.iter().all(|&efmi| efmi > SMALLEST_EFMI),
            abs_mean_lag1_ac_below_0_05: self.mean_lag1.iter().all(|lag1| lag1.abs() < LARGEST_LAG1),
            no_divergent_transitions: self.divergences.iter().all(|&count| count == 0),
        }
    }

    /// What fails, with the worst quantity or chain of each check. Empty when all hold.
    pub fn failures(&self) -> Vec<ReferenceFailure> {
        let checks = self.checks();
        let mut failures = Vec::new();
        let mut require = |holds: bool, failure: &dyn Fn() -> ReferenceFailure| {
            if !holds {
                failures.push(failure());
            }
        };
        let of_worst = |values: &[f64], badness: &dyn Fn(f64) -> f64| {
            let worst = worst(values, badness);
            worst.map_or_else(Default::default, |index| (self.names[index].clone(), values[index]))
        };
        require(self.unbounded.is_none(), &|| ReferenceFailure::Unbounded {
            name: self.unbounded.clone().unwrap_or_default(),
        });
        require(checks.ndraws_is_10k, &|| ReferenceFailure::Draws { draws: self.draws });
        require(checks.nchains_is_gte_4, &|| ReferenceFailure::Chains { chains: self.chains });
        require(checks.r_hat_below_1_01, &|| {
            let (name, value) = of_worst(&self.r_hat, &|r_hat| r_hat);
            ReferenceFailure::RHat { name, value }
        });
        for (part, sizes) in [("bulk", &self.ess_bulk), ("tail", &self.ess_tail)] {
            require(sizes.iter().all(|&size| self.is_within(size)), &|| {
                let (name, value) = of_worst(sizes, &|size| (size - self.draws as f64).abs());
                ReferenceFailure::EffectiveSampleSize { part, name, value, bounds: self.ess_bounds }
            });
        }
        require(checks.abs_mean_lag1_ac_below_0_05, &|| {
            let (name, value) = of_worst(&self.mean_lag1, &f64::abs);
            ReferenceFailure::Autocorrelation { name, value }
        });
        require(checks.efmi_above_0_2, &|| {
            let index = worst(&self.efmi, &|efmi| -efmi).unwrap_or_default();
            ReferenceFailure::Efmi { chain: index + 1, value: self.efmi[index] }
        });
        require(checks.no_divergent_transitions, &|| ReferenceFailure::Divergences {
            count: self.divergences.iter().sum(),
        });
        failures
    }

    /// Whether only more thinning is missing.
    pub(super) fn needs_thinning(&self) -> bool {
        let checks = self.checks();
        if self.unbounded.is_some() {
            return false;
        }
        let dependent = !checks.ess_within_bounds || !checks.abs_mean_lag1_ac_below_0_05;
        // Chains that mix slowly have a large R-hat for the same reason; chains that never meet keep it at any
        // thinning.
        let mixing = self.ess_bulk.iter().all(|&size| size > 400.0);
        dependent && mixing && checks.efmi_above_0_2 && checks.no_divergent_transitions
    }

    fn is_within(&self, size: f64) -> bool {
        let (low, high) = self.ess_bounds;
        low <= size && size <= high
    }
}

/// The index of the worst value; one that is not defined is worse than any.
fn worst(values: &[f64], badness: &dyn Fn(f64) -> f64) -> Option<usize> {
    let badness = |value: f64| if value.is_nan() { f64::INFINITY } else { badness(value) };
    (0..values.len()).max_by(|&a, &b| badness(values[a]).total_cmp(&badness(values[b])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{fill_standard_normal, stream};
    use ndarray::Array2;

    fn independent(draws: usize) -> Array2<f64> {
        let mut values = Array2::zeros((draws, 2));
        fill_standard_normal(&mut stream(7, 0), values.as_slice_mut().unwrap());
        values
    }

    fn diagnostics(values: Array2<f64>, divergences: Vec<usize>, efmi: Vec<f64>) -> ReferenceDiagnostics {
        let lengths = vec![values.nrows() / 10; 10];
        let draws = Draws::new(vec!["a".into(), "b".into()], values, lengths).unwrap();
        ReferenceDiagnostics::new(&draws, divergences, efmi)
    }

    #[test]
    fn independent_draws_pass() {
        let good = diagnostics(independent(10_000), vec![0; 10], vec![0.9; 10]);
        assert_eq!(good.failures(), []);
        let checks = serde_json::to_value(good.checks()).unwrap();
        assert!(checks.as_object().unwrap().values().all(|holds| holds == true));
    }

    /// The narrow bounds, which are meant for a few quantities, do not hold for some of hundreds.
    #[test]
    fn independent_draws_of_many_quantities_pass_bounds_for_many() {
        let mut values = Array2::zeros((10_000, 300));
        fill_standard_normal(&mut stream(7, 0), values.as_slice_mut().unwrap());
        let names = (0..300).map(|column| format!("x[{column}]")).collect();
        let draws = Draws::new(names, values, vec![1000; 10]).unwrap();
        let diagnostics = ReferenceDiagnostics::new(&draws, vec![0; 10], vec![0.9; 10]);
        let failures = diagnostics.failures();
        assert!(matches!(failures[0], ReferenceFailure::EffectiveSampleSize { .. }), "{failures:?}");
        assert_eq!(diagnostics.of_many().failures(), []);
    }

    fn said(diagnostics: &ReferenceDiagnostics) -> Vec<String> {
        diagnostics.failures().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_failure_is_named() {
        let mut slow = independent(10_000);
        for row in 1..10_000 {
            slow[[row, 1]] += 0.5 * slow[[row - 1, 1]];
        }
        let slow = diagnostics(slow, vec![0; 10], vec![0.9; 10]);
        assert!(slow.needs_thinning());
        let words = said(&slow).join("\n");
        assert!(words.contains("bulk effective sample size of b") && words.contains("correlation 0."), "{words}");
        assert!(!words.contains("R-hat"), "{words}");

        let mut stuck = independent(10_000);
        stuck.column_mut(0).fill(1.0);
        let stuck = diagnostics(stuck, vec![0; 10], vec![0.9; 10]);
        assert!(!stuck.needs_thinning());
        let words = said(&stuck);
        assert!(words[0].contains("R-hat of a is NaN, not below 1.01: it never moves"), "{words:?}");

        let mut divergent = diagnostics(independent(10_000), vec![0; 10], vec![0.9; 10]);
        (divergent.divergences[3], divergent.efmi[4]) = (2, 0.1);
        let words = said(&divergent).join("\n");
        assert!(words.contains("2 transitions diverged") && words.contains("E-FMI of chain 5 is 0.1"), "{words}");

        let mut improper = independent(10_000);
        improper[[77, 1]] = f64::INFINITY;
        let improper = diagnostics(improper, vec![0; 10], vec![0.9; 10]);
        assert!(!improper.needs_thinning());
        assert!(said(&improper)[0].starts_with("the draws of b have no finite mean"), "{:?}", said(&improper));

        let few = diagnostics(independent(1000), vec![0; 10], vec![0.9; 10]);
        assert!(said(&few)[0].contains("there are 1000 draws"));
    }
}
