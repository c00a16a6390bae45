//! The 1-Wasserstein distance between two empirical distributions on the line.

/// ∫ |F⁻¹(u) − G⁻¹(u)| du over (0, 1), with F and G the empirical distributions of two samples, each sorted ascending.
/// The samples may differ in size; neither is empty.
pub fn wasserstein_1(a: &[f64], b: &[f64]) -> f64 {
    debug_assert!(a.is_sorted() && b.is_sorted() && !a.is_empty() && !b.is_empty());
    // Quantile functions are steps that end at multiples of 1/n and 1/m: in units of 1/(nm) all steps are whole.
    let (n, m) = (a.len() as u64, b.len() as u64);
    let (mut i, mut j, mut position, mut total) = (0, 0, 0, 0.0);
    while i < n && j < m {
        let (a_ends, b_ends) = ((i + 1) * m, (j + 1) * n);
        let next = a_ends.min(b_ends);
        total += (next - position) as f64 * (a[i as usize] - b[j as usize]).abs();
        position = next;
        i += u64::from(a_ends == next);
        j += u64::from(b_ends == next);
    }
    total / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut sample: Vec<f64>) -> Vec<f64> {
        sample.sort_by(f64::total_cmp);
        sample
    }

    fn sample() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-100.0..100.0, 1..40).prop_map(sorted)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
    }

    proptest! {
        #[test]
        fn a_shift_costs_the_shift(a in sample(), shift in -50.0..50.0_f64) {
            let moved: Vec<f64> = a.iter().map(|x| x + shift).collect();
            prop_assert!(close(wasserstein_1(&a, &moved), shift.abs()));
        }

        #[test]
        fn it_is_symmetric_and_scales(a in sample(), b in sample(), factor in 0.1..10.0) {
            let scaled = |sample: &[f64]| sample.iter().map(|x| factor * x).collect::<Vec<_>>();
            prop_assert!(close(wasserstein_1(&a, &b), wasserstein_1(&b, &a)));
            prop_assert!(close(wasserstein_1(&scaled(&a), &scaled(&b)), factor * wasserstein_1(&a, &b)));
        }

        #[test]
        fn it_is_a_metric(a in sample(), b in sample(), c in sample()) {
            prop_assert_eq!(wasserstein_1(&a, &a), 0.0);
            prop_assert!(wasserstein_1(&a, &c) <= wasserstein_1(&a, &b) + wasserstein_1(&b, &c) + 1e-9);
            let means = a.iter().sum::<f64>() / a.len() as f64 - b.iter().sum::<f64>() / b.len() as f64;
            prop_assert!(wasserstein_1(&a, &b) >= means.abs() - 1e-9);
        }

        #[test]
        fn repeating_a_sample_changes_nothing(a in sample(), b in sample(), times in 2_usize..5) {
            let repeated = sorted(b.repeat(times));
            prop_assert!(close(wasserstein_1(&a, &b), wasserstein_1(&a, &repeated)));
        }

        #[test]
        fn equal_sizes_pair_the_order_statistics(pairs in prop::collection::vec((-100.0..100.0, -100.0..100.0), 1..40)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let (a, b) = (sorted(a), sorted(b));
            let paired = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len() as f64;
            prop_assert!(close(wasserstein_1(&a, &b), paired));
        }
    }

    #[test]
    fn values_agree_with_scipy() {
        // from scipy.stats import wasserstein_distance as w; print(w([0, 1, 3], [5, 6, 8]), w([3.4, 3.9, 7.5, 7.8],
        //   [4.5, 1.4]), w([-1.5, 0.25, 2, 9], [0.1, 0.7, 1.3, 1.9, -4.4, 30]), w([1], [-2, 0, 0, 7, 8]))
        assert!(close(wasserstein_1(&[0.0, 1.0, 3.0], &[5.0, 6.0, 8.0]), 5.0));
        assert!(close(wasserstein_1(&[3.4, 3.9, 7.5, 7.8], &[1.4, 4.5]), 2.7));
        assert!(close(wasserstein_1(&[-1.5, 0.25, 2.0, 9.0], &[-4.4, 0.1, 0.7, 1.3, 1.9, 30.0]), 4.9208333333333325));
        assert!(close(wasserstein_1(&[1.0], &[-2.0, 0.0, 0.0, 7.0, 8.0]), 3.6000000000000005));
    }
}
