//! A mixture of Gaussians, one for each mode of a posterior, as the proposal of importance sampling: draws in strata, one
//! for each component, weighed by the density of the whole mixture (Owen and Zhou, JASA 95, 2000: deterministic mixture
//! weights), and the posterior's share in each component.

use super::half_t::{self, HalfT};
use super::{GaussianApproximation, NotPositiveDefinite};
use crate::random::Rng;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

/// A component has at least this part of the draws that it would have in equal shares: a share is not known well by the
/// draws that a wrong first guess of it allows.
const LEAST_PART: f64 = 0.1;
/// The shares' fixed point is reached within a few steps unless components overlap.
const MOST_STEPS: usize = 100;
/// And is exact enough where no share changes by more.
const FIXED: f64 = 1e-9;

/// Σ_k w_k N(μ_k, F_k F_kᵀ).
#[derive(Debug, Clone)]
pub struct GaussianMixture<F> {
    components: Vec<F>,
    weights: Vec<f64>,
}

/// Draws of a mixture's components, widened to half normal, half Student-t.
#[derive(Debug, Clone)]
pub struct MixtureDraws {
    /// The draws, n × D.
    pub draws: Array2<f64>,
    /// The component that each was drawn from.
    pub strata: Vec<usize>,
    /// Whether each is of the Gaussian itself, not of the Student-t.
    pub of_gaussian: Vec<bool>,
    /// The log density of the proposal at each.
    pub log_proposal: Vec<f64>,
    /// The log density of each component's Gaussian at each, n × K.
    pub log_components: Array2<f64>,
}

/// What part of the posterior lies in each component.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// The shares, of length K, which sum to one.
    pub shares: Vec<f64>,
    /// Their Monte Carlo standard errors.
    pub standard_errors: Vec<f64>,
    /// The parts of each draw that belong to the components, n × K.
    pub belongs: Array2<f64>,
}

impl<F: GaussianApproximation> GaussianMixture<F> {
    /// The mixture of `components`, at least one, with weights proportional to exp(`log_weights`).
    pub fn new(components: Vec<F>, log_weights: &[f64]) -> Self {
        assert!(!components.is_empty() && components.len() == log_weights.len(), "each component needs a weight");
        let total = log_sum_exp(log_weights.iter().copied());
        let weights = log_weights.iter().map(|log| (log - total).exp()).collect();
        Self { components, weights }
    }

    /// The components.
    pub fn components(&self) -> &[F] {
        &self.components
    }

    /// Their weights, which sum to one.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The dimension D.
    pub fn dim(&self) -> usize {
        self.components[0].dim()
    }

    /// How many of `count` draws come from each component: in proportion to its weight, but never less than a tenth of
    /// an equal part. At least two, one normal and one Student-t.
    pub fn allocation(&self, count: usize) -> Vec<usize> {
        let least = LEAST_PART / self.components.len() as f64;
        let parts: Vec<f64> = self.weights.iter().map(|weight| weight.max(least)).collect();
        let total: f64 = parts.iter().sum();
        parts.iter().map(|part| ((part / total * count as f64).round() as usize).max(2)).collect()
    }

    /// Some `count` draws.
    ///
    /// # Errors
    /// Where a component has no inverse in floating point.
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<MixtureDraws, NotPositiveDefinite> {
        let allocation = self.allocation(count);
        let count: usize = allocation.iter().sum();
        let mut draws = Array2::zeros((count, self.dim()));
        let (mut strata, mut of_gaussian) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (index, (component, &part)) in self.components.iter().zip(&allocation).enumerate() {
            let rows = draws.slice_mut(s![strata.len()..strata.len() + part, ..]);
            component.draws(half_t::noise(part, self.dim(), rng).view(), rows);
            strata.resize(strata.len() + part, index);
            of_gaussian.extend((0..part).map(|draw| draw < part / 2));
        }
        let density = HalfT::new(self.dim());
        let mut log_components = self.squared_norms(draws.view())?;
        let mut log_proposal = Vec::with_capacity(count);
        let log_dets: Vec<f64> = self.components.iter().map(|component| component.log_det_factor()).collect();
        for mut squared_norms in log_components.rows_mut() {
            let terms = squared_norms.iter().zip(&log_dets).zip(&allocation).map(|((&squared, log_det), &part)| {
                (part as f64 / count as f64).ln() + density.log_density(squared) - log_det
            });
            log_proposal.push(log_sum_exp(terms.collect::<Vec<f64>>().into_iter()));
            for (entry, log_det) in squared_norms.iter_mut().zip(&log_dets) {
                *entry = density.normal(*entry) - log_det;
            }
        }
        Ok(MixtureDraws { draws, strata, of_gaussian, log_proposal, log_components })
    }

    /// The component that each row of `points` (n × D) most probably belongs to.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn members(&self, points: ArrayView2<'_, f64>) -> Result<Vec<usize>, NotPositiveDefinite> {
        let squared_norms = self.squared_norms(points)?;
        let constants: Vec<f64> = (self.components.iter().zip(&self.weights))
            .map(|(component, weight)| weight.ln() - component.log_det_factor())
            .collect();
        let member = |row: ArrayView1<'_, f64>| {
            largest(row.iter().zip(&constants).map(|(squared, constant)| constant - 0.5 * squared))
        };
        Ok(squared_norms.rows().into_iter().map(member).collect())
    }

    /// ‖F_k⁻¹ (x − μ_k)‖² for each row x of `points` (n × D) and each component, n × K.
    fn squared_norms(&self, points: ArrayView2<'_, f64>) -> Result<Array2<f64>, NotPositiveDefinite> {
        let mut squared_norms = Array2::zeros((points.nrows(), self.components.len()));
        for (component, mut column) in self.components.iter().zip(squared_norms.columns_mut()) {
            let noise = component.noise(points)?;
            column.iter_mut().zip(noise.rows()).for_each(|(squared, row)| *squared = row.dot(&row));
        }
        Ok(squared_norms)
    }
}

impl MixtureDraws {
    /// The posterior's share in each component, from the draws' normalised importance `weights`.
    ///
    /// A draw belongs to the components in proportion to their shares times their Gaussians' densities there; the shares
    /// are the fixed point of that. Heavy tails take no part in it: a small mode near a large one would get the tail of the
    /// large one. Standard errors are those of stratified, self-normalised importance sampling (delta method): draws of one
    /// stratum vary about the stratum's mean, not about the whole's.
    pub fn shares(&self, weights: &[f64]) -> Shares {
        let (count, components) = self.log_components.dim();
        let mut shares = vec![1.0 / components as f64; components];
        let mut belongs = Array2::zeros((count, components));
        for _ in 0..MOST_STEPS {
            for ((mut row, logs), _) in
                belongs.rows_mut().into_iter().zip(self.log_components.rows()).zip(weights).filter(|(_, w)| **w > 0.0)
            {
                let total = log_sum_exp(logs.iter().zip(&shares).map(|(log, share)| log + share.ln()));
                for ((entry, log), share) in row.iter_mut().zip(&logs).zip(&shares) {
                    *entry = (log + share.ln() - total).exp();
                }
            }
            let next: Vec<f64> = belongs
                .columns()
                .into_iter()
                .map(|column| column.iter().zip(weights).map(|(b, w)| b * w).sum())
                .collect();
            let change = next.iter().zip(&shares).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            shares = next;
            if change < FIXED {
                break;
            }
        }
        let error = |k: usize| self.standard_error(belongs.column(k), shares[k], weights);
        let standard_errors = (0..components).map(error).collect();
        Shares { shares, standard_errors, belongs }
    }

    /// Shares with those of one group made equal, as symmetries make them. `groups` has a number for each component.
    pub fn equal_within(&self, shares: Shares, groups: &[usize], weights: &[f64]) -> Shares {
        let Shares { mut shares, mut standard_errors, belongs } = shares;
        for (first, group) in groups.iter().enumerate() {
            let members: Vec<usize> = (0..groups.len()).filter(|&k| groups[k] == *group).collect();
            if members[0] != first || members.len() == 1 {
                continue;
            }
            let (size, total) = (members.len() as f64, members.iter().map(|&k| shares[k]).sum::<f64>());
            let together = belongs.select(Axis(1), &members).sum_axis(Axis(1));
            let error = self.standard_error(together.view(), total, weights);
            for k in members {
                (shares[k], standard_errors[k]) = (total / size, error / size);
            }
        }
        Shares { shares, standard_errors, belongs }
    }

    /// Adds more draws of the same mixture.
    pub fn append(&mut self, more: Self) {
        let same_width = "draws of one mixture have as many columns";
        self.draws.append(Axis(0), more.draws.view()).expect(same_width);
        self.log_components.append(Axis(0), more.log_components.view()).expect(same_width);
        self.strata.extend(more.strata);
        self.of_gaussian.extend(more.of_gaussian);
        self.log_proposal.extend(more.log_proposal);
    }

    /// The standard error of Σ w b over strata, where b are the parts that belong to a component and `share` is that sum.
    fn standard_error(&self, belongs: ArrayView1<'_, f64>, share: f64, weights: &[f64]) -> f64 {
        let strata = self.log_components.ncols();
        let (mut counts, mut sums, mut squares) = (vec![0.0; strata], vec![0.0; strata], vec![0.0; strata]);
        for ((belongs, weight), &stratum) in belongs.iter().zip(weights).zip(&self.strata) {
            let term = weight * (belongs - share);
            counts[stratum] += 1.0;
            sums[stratum] += term;
            squares[stratum] += term * term;
        }
        let variance = |k: usize| (squares[k] - sums[k] * sums[k] / counts[k]).max(0.0);
        (0..strata).filter(|&k| counts[k] > 0.0).map(variance).sum::<f64>().sqrt()
    }
}

/// The index of the largest value, the first of equal ones.
fn largest(values: impl Iterator<Item = f64>) -> usize {
    values.enumerate().fold((0, f64::NEG_INFINITY), |best, (i, v)| if v > best.1 { (i, v) } else { best }).0
}

/// log Σ exp; −∞ where all are.
pub(crate) fn log_sum_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    largest + logs.map(|log| (log - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;
    use crate::random::stream;
    use ndarray::Array1;

    fn component(at: f64, sd: f64) -> DenseGaussian {
        DenseGaussian::diagonal(Array1::from(vec![at, 0.0]), &Array1::from(vec![sd, 1.0]))
    }

    /// log Σ a_k N_k, with the normalised weights a.
    fn log_target(draws: &MixtureDraws, weights: &[f64]) -> Vec<f64> {
        let of_row = |row: ArrayView1<f64>| {
            log_sum_exp(row.iter().zip(weights).map(|(log, w)| log + w.ln()).collect::<Vec<_>>().into_iter())
        };
        draws.log_components.rows().into_iter().map(of_row).collect()
    }

    fn normalised_weights(draws: &MixtureDraws, log_p: &[f64]) -> (Vec<f64>, f64) {
        let logs: Vec<f64> = log_p.iter().zip(&draws.log_proposal).map(|(p, q)| p - q).collect();
        let total = log_sum_exp(logs.iter().copied());
        (logs.iter().map(|log| (log - total).exp()).collect(), total - (logs.len() as f64).ln())
    }

    /// The target's shares are known, the proposal's differ: they are found within the standard errors that are claimed,
    /// which are those seen over repetitions.
    #[test]
    fn shares_and_their_errors_are_right() {
        let truth = [0.7, 0.299, 0.001];
        let mixture = GaussianMixture::new(
            vec![component(-4.0, 0.8), component(4.0, 1.0), component(9.0, 0.6)],
            &[0.0, 0.0, -6.0],
        );
        let runs: Vec<Shares> = (0..60)
            .map(|seed| {
                let draws = mixture.sample(2000, &mut stream(seed, 0)).unwrap();
                let (weights, log_evidence) = normalised_weights(&draws, &log_target(&draws, &truth));
                assert!(log_evidence.abs() < 0.1, "the target is normalised: {log_evidence}");
                draws.shares(&weights)
            })
            .collect();
        for (k, share) in truth.iter().enumerate() {
            let mean = runs.iter().map(|run| run.shares[k]).sum::<f64>() / 60.0;
            let sd = (runs.iter().map(|run| (run.shares[k] - mean).powi(2)).sum::<f64>() / 59.0).sqrt();
            let claimed = runs.iter().map(|run| run.standard_errors[k]).sum::<f64>() / 60.0;
            assert!((mean - share).abs() < 4.0 * sd / 60.0_f64.sqrt() + 1e-6, "{mean} for {share}");
            // The relative error of a standard deviation of 60 values is 9 %.
            assert!((0.7..1.4).contains(&(claimed / sd)), "component {k}: {claimed} claimed, {sd} seen");
        }
    }

    /// Where the proposal's components are the target's, the shares hardly vary between strata: ten times better than
    /// what counting draws would give.
    #[test]
    fn strata_take_the_noise_of_the_number_of_draws_away() {
        let mixture = GaussianMixture::new(vec![component(-5.0, 1.0), component(5.0, 1.0)], &[0.0, 0.0]);
        let draws = mixture.sample(1000, &mut stream(1, 0)).unwrap();
        let (weights, _) = normalised_weights(&draws, &log_target(&draws, &[0.5, 0.5]));
        let shares = draws.shares(&weights);
        let counting = (0.25_f64 / 1000.0).sqrt();
        assert!(shares.standard_errors[0] < 0.5 * counting, "{}", shares.standard_errors[0]);
        assert!((shares.shares[0] - 0.5).abs() < 4.0 * shares.standard_errors[0]);
        let members = mixture.members(draws.draws.view()).unwrap();
        assert!(draws.strata.iter().zip(&members).filter(|(a, b)| a != b).count() < 10);
    }

    /// What symmetry makes equal has no error between the two.
    #[test]
    fn equal_shares_are_half_of_what_they_have_together() {
        let mixture = GaussianMixture::new(
            vec![component(-5.0, 1.0), component(5.0, 1.0), component(15.0, 1.0)],
            &[0.0, 0.0, 0.0],
        );
        let mut draws = mixture.sample(600, &mut stream(2, 0)).unwrap();
        draws.append(mixture.sample(600, &mut stream(3, 0)).unwrap());
        let (weights, _) = normalised_weights(&draws, &log_target(&draws, &[0.3, 0.3, 0.4]));
        let shares = draws.shares(&weights);
        let (third, error) = (shares.shares[2], shares.standard_errors[2]);
        let equal = draws.equal_within(shares, &[0, 0, 2], &weights);
        assert_eq!(equal.shares[0], equal.shares[1]);
        assert!((equal.shares[0] - 0.5 * (1.0 - third)).abs() < 1e-12);
        assert!((equal.standard_errors[0] - 0.5 * error).abs() < 1e-9 && equal.standard_errors[2] == error);
    }

    #[test]
    fn a_component_of_no_weight_has_draws_all_the_same() {
        let mixture = GaussianMixture::new(vec![component(-5.0, 1.0), component(5.0, 1.0)], &[0.0, -50.0]);
        let allocation = mixture.allocation(1000);
        assert!(allocation[1] >= 40 && allocation.iter().sum::<usize>() == 1000, "{allocation:?}");
        assert!(mixture.weights()[1] < 1e-20);
    }

    /// Three sd apart, where densities overlap, the fixed point is still the truth.
    #[test]
    fn overlapping_components_have_their_own_shares() {
        let truth = [0.9, 0.1];
        let mixture = GaussianMixture::new(vec![component(0.0, 1.0), component(3.0, 1.0)], &[0.0, 0.0]);
        let draws = mixture.sample(20_000, &mut stream(3, 0)).unwrap();
        let (weights, _) = normalised_weights(&draws, &log_target(&draws, &truth));
        let shares = draws.shares(&weights);
        assert!((shares.shares[1] - 0.1).abs() < 0.01, "{:?}", shares.shares);
    }
}
