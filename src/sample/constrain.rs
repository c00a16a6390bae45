//! Draws from the unconstrained to the constrained scale.

use crate::draws::Draws;
use crate::model::Model;
use crate::random::Stream;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis};
use rand::RngExt;
use rayon::prelude::*;
use thiserror::Error;

/// Why draws could not be brought to the constrained scale.
#[derive(Debug, Error)]
pub enum ConstrainError {
    /// The program failed on a draw, before its generated quantities.
    #[error("the program failed at draw {draw} of chain {chain}: {reason}")]
    Draw {
        /// The chain, counted from 1.
        chain: usize,
        /// The draw, counted from 1.
        draw: usize,
        /// What the program said.
        reason: String,
    },
    /// There is no generator for generated quantities.
    #[error("the generator of random numbers for generated quantities could not be made: {0}")]
    Generator(String),
}

/// The parameters, transformed parameters and generated quantities at the draws of all chains, each draws × D.
/// Generated quantities are NaN at a draw where the program rejects them, as CmdStan writes them; those of each chain
/// have a generator of Stan's of their own, which depends on `seed` and on the chain's place among the chains.
pub fn constrain(target: &dyn Model, chains: &[ArrayView2<'_, f64>], seed: u64) -> Result<Draws, ConstrainError> {
    let lengths: Vec<usize> = chains.iter().map(|chain| chain.nrows()).collect();
    let mut values = Array2::zeros((lengths.iter().sum(), target.names().len()));
    let mut rest = values.view_mut();
    let mut parts = Vec::with_capacity(chains.len());
    for (index, (points, seed)) in chains.iter().zip(stan_seeds(seed)).enumerate() {
        let (part, after) = rest.split_at(Axis(0), points.nrows());
        parts.push((index, points, seed, part));
        rest = after;
    }
    parts.into_par_iter().try_for_each(|(index, points, seed, values)| {
        constrain_chain(target, index + 1, points.view(), seed, values)
    })?;
    Ok(Draws::new(target.names().to_vec(), values, lengths).expect("a column per name, and Stan's names differ"))
}

/// The seeds of Stan's generators, which have 32 bits.
fn stan_seeds(seed: u64) -> impl Iterator<Item = u32> {
    let mut rng = Stream::GeneratedQuantities.of(seed);
    std::iter::repeat_with(move || rng.random())
}

/// The quantities at the points of one chain, counted from 1, written to `values`, a row for each.
fn constrain_chain(
    target: &dyn Model,
    chain: usize,
    points: ArrayView2<'_, f64>,
    seed: u32,
    mut values: ArrayViewMut2<'_, f64>,
) -> Result<(), ConstrainError> {
    let mut generator = target.generator(seed).map_err(|error| ConstrainError::Generator(error.to_string()))?;
    for (draw, (point, mut row)) in (1..).zip(points.rows().into_iter().zip(values.rows_mut())) {
        let point = point.to_vec();
        let row = row.as_slice_mut().expect("rows of a fresh array are contiguous");
        if generator.constrain(&point, row).is_err() {
            let (defined, generated) = row.split_at_mut(target.transformed_parameter_count());
            target.constrain_transformed(&point, defined).map_err(|error| ConstrainError::Draw {
                chain,
                draw,
                reason: error.to_string(),
            })?;
            generated.fill(f64::NAN);
        }
    }
    Ok(())
}

/// A sentence that counts the draws all of whose generated quantities are NaN, as where the program rejects them.
pub fn undefined_generated_quantities(target: &dyn Model, draws: &Draws) -> Option<String> {
    let first = target.transformed_parameter_count();
    let is_undefined = |row: &ArrayView1<f64>| row.len() > first && row.iter().skip(first).all(|value| value.is_nan());
    let undefined = draws.values().rows().into_iter().filter(is_undefined).count();
    (undefined > 0).then(|| {
        let all = draws.len();
        format!(
            "the generated quantities are NaN in {undefined} of the {all} draws: the program rejects them or gives \
             no number"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neighbouring_seeds_share_no_generator() {
        let seeds: HashSet<u32> = (0..100).flat_map(|seed| stan_seeds(seed).take(10)).collect();
        assert_eq!(seeds.len(), 1000);
    }
}
