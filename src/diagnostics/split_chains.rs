//! The draws of one quantity as the diagnostics see them: whole chains, and chains split into halves.

use crate::draws::Draws;
use ndarray::{Array2, ArrayView1, Axis};

/// Fewer draws than this in a chain say nothing about its mixing.
pub const MIN_DRAWS: usize = 4;

/// The draws of the quantity in the given column, one view per chain.
pub fn chains_of(draws: &Draws, column: usize) -> Vec<ArrayView1<'_, f64>> {
    draws.chains().map(|chain| chain.index_axis_move(Axis(1), column)).collect()
}

/// The first and second halves of all chains, one sequence a row; the middle draw of an odd chain is left out, and
/// longer chains are cut to the length of the shortest. None when the shortest chain has fewer than four draws, when a
/// draw is not finite or when all are equal: no diagnostic is defined then.
pub(super) fn split(chains: &[ArrayView1<'_, f64>]) -> Option<Array2<f64>> {
    let length = chains.iter().map(|chain| chain.len()).min()?;
    if length < MIN_DRAWS {
        return None;
    }
    let half = length / 2;
    let mut sequences = Array2::zeros((2 * chains.len(), half));
    for (chain, mut halves) in chains.iter().zip(sequences.axis_chunks_iter_mut(Axis(0), 2)) {
        for draw in 0..half {
            halves[[0, draw]] = chain[draw];
            halves[[1, draw]] = chain[length - half + draw];
        }
    }
    let first = sequences[[0, 0]];
    let informative = sequences.iter().all(|x| x.is_finite()) && sequences.iter().any(|&x| x != first);
    informative.then_some(sequences)
}

/// All draws in one vector, in ascending order.
pub(super) fn sorted(chains: &[ArrayView1<'_, f64>]) -> Vec<f64> {
    let mut all: Vec<f64> = chains.iter().flatten().copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, aview1};

    #[test]
    fn halves_leave_out_the_middle_draw() {
        let halves = split(&[aview1(&[1.0, 2.0, 3.0, 4.0, 5.0]), aview1(&[6.0, 7.0, 8.0, 9.0, 10.0])]).unwrap();
        assert_eq!(halves, array![[1.0, 2.0], [4.0, 5.0], [6.0, 7.0], [9.0, 10.0]]);
    }

    #[test]
    fn what_cannot_be_diagnosed_is_none() {
        assert!(split(&[]).is_none());
        assert!(split(&[aview1(&[1.0, 2.0, 3.0])]).is_none());
        assert!(split(&[aview1(&[1.0, 1.0, 1.0, 1.0])]).is_none());
        assert!(split(&[aview1(&[1.0, f64::NAN, 2.0, 3.0])]).is_none());
        assert!(split(&[aview1(&[1.0, f64::INFINITY, 2.0, 3.0])]).is_none());
    }
}
