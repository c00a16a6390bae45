//! Whether moments say anything of a quantity.

use super::{moments, pareto_k, quantile};

/// Halves of [`DRAWS`] draws whose standard deviations differ by more than this factor have tails too heavy for
/// moments.
const HALVES_AGREE: f64 = 1.05;
/// As many draws as references have. For normal draws the factor is then 3.45 standard errors of the logarithm of the
/// ratio, √(2 / draws), which fewer draws keep: a larger factor.
const DRAWS: f64 = 10_000.0;

/// Draws from which a tail's shape is known well enough to say that there is no fourth moment.
const TAIL_DRAWS: usize = 4000;

/// Whether reference draws, in the order they were drawn, are too heavy-tailed for their moments to be reproducible:
/// their two halves differ in standard deviation by more than 5 %, or for fewer than 10 000 draws by more than chance
/// would have it; or at least 4 000 of them show no [fourth moment](has_fourth_moment), without which a standard deviation
/// has no Monte Carlo error.
pub fn is_heavy_tailed(draws: &[f64]) -> bool {
    let (first, second) = draws.split_at(draws.len() / 2);
    if first.len() < 2 {
        return false;
    }
    let ((_, first), (_, second)) = (moments(first), moments(second));
    let factor = HALVES_AGREE.powf((DRAWS / draws.len() as f64).sqrt().max(1.0));
    first.max(second) > factor * first.min(second)
        || draws.len() >= TAIL_DRAWS && (NO_FOURTH_MOMENT..f64::INFINITY).contains(&tail_shape(draws))
}

/// The Pareto shape from which on the fourth moment is infinite.
const NO_FOURTH_MOMENT: f64 = 0.25;

/// Whether the standard deviation of draws has a Monte Carlo error, which takes a fourth moment: whether the tails of
/// their distances from the median are lighter than those of a generalised Pareto distribution of shape 1/4.
pub fn has_fourth_moment(draws: &[f64]) -> bool {
    tail_shape(draws) < NO_FOURTH_MOMENT
}

/// The shape of the tail of distances from the median; infinite where too few draws are distinct.
fn tail_shape(draws: &[f64]) -> f64 {
    let mut ascending = draws.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let median = quantile(&ascending, 0.5);
    pareto_k(&draws.iter().map(|x| (x - median).abs().ln()).collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{fill_standard_normal, stream};

    /// How many of 200 sets of so many draws are heavy-tailed; `quotients` of normals are Cauchy.
    fn heavy(draws: usize, quotients: bool) -> usize {
        let mut rng = stream(1, 0);
        let mut sets = (0..200).map(|_| {
            let mut values = vec![0.0; 2 * draws];
            fill_standard_normal(&mut rng, &mut values);
            values.chunks(2).map(|pair| if quotients { pair[0] / pair[1] } else { pair[0] }).collect::<Vec<f64>>()
        });
        sets.by_ref().filter(|values| is_heavy_tailed(values)).count()
    }

    #[test]
    fn normal_draws_are_hardly_ever_heavy_tailed_and_cauchy_draws_mostly() {
        for draws in [100, 400, 1000, 4000, 10_000, 20_000] {
            assert!(heavy(draws, false) <= 2, "{draws}: {}", heavy(draws, false));
        }
        assert!(heavy(1000, true) > 160 && heavy(10_000, true) > 180);
    }

    #[test]
    fn a_fourth_moment_is_where_tails_are_light() {
        let mut rng = stream(2, 0);
        let mut normal = vec![0.0; 4 * 4000];
        fill_standard_normal(&mut rng, &mut normal);
        let (light, skewed): (Vec<f64>, Vec<f64>) = normal[..4000].iter().map(|z| (*z, (0.3 * z).exp())).unzip();
        // Student-t with three degrees of freedom: shape 1/3.
        let heavy: Vec<f64> =
            normal.chunks(4).map(|z| z[0] / ((z[1] * z[1] + z[2] * z[2] + z[3] * z[3]) / 3.0).sqrt()).collect();
        assert!(has_fourth_moment(&light) && has_fourth_moment(&skewed) && !has_fourth_moment(&heavy));
    }

    #[test]
    fn heavy_tails_are_where_the_halves_disagree() {
        let even: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        assert!(!is_heavy_tailed(&even));
        let mut outlier = even.clone();
        outlier[3] = 40.0;
        assert!(is_heavy_tailed(&outlier));
        assert!(!is_heavy_tailed(&[2.0; 10]) && !is_heavy_tailed(&[1.0, 5.0]) && !is_heavy_tailed(&[2.0; 5000]));
    }
}
