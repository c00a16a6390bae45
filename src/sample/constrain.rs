//! Draws from the unconstrained to the constrained scale.

use crate::draws::Draws;
use crate::target::{StanError, StanTarget};
use ndarray::{Array2, ArrayView1, ArrayView2};
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
    #[error(transparent)]
    Generator(#[from] StanError),
}

/// The parameters, transformed parameters and generated quantities at the draws of all chains, each draws × D. Generated
/// quantities of chain i use Stan's generator with the seed `seed` + i, and are NaN at a draw where the program rejects them,
/// as CmdStan writes them.
pub fn constrain(target: &StanTarget, chains: &[ArrayView2<'_, f64>], seed: u64) -> Result<Draws, ConstrainError> {
    let lengths: Vec<usize> = chains.iter().map(|chain| chain.nrows()).collect();
    let width = target.names().len();
    let mut values = Array2::zeros((lengths.iter().sum(), width));
    let mut row = vec![0.0; width];
    let mut rows = values.rows_mut().into_iter();
    for (chain, points) in chains.iter().enumerate() {
        // Stan's generators have 32-bit seeds.
        let mut rng = target.rng(seed.wrapping_add(chain as u64) as u32)?;
        for (draw, point) in points.rows().into_iter().enumerate() {
            let point = point.to_vec();
            if target.constrain(&point, &mut rng, &mut row).is_err() {
                let (defined, generated) = row.split_at_mut(target.transformed_parameter_count());
                target.constrain_transformed(&point, defined).map_err(|error| ConstrainError::Draw {
                    chain: chain + 1,
                    draw: draw + 1,
                    reason: error.to_string(),
                })?;
                generated.fill(f64::NAN);
            }
            if let Some(mut values) = rows.next() {
                values.iter_mut().zip(&row).for_each(|(value, x)| *value = *x);
            }
        }
    }
    Ok(Draws::new(target.names().to_vec(), values, lengths).expect("a column per name, and Stan's names differ"))
}

/// A sentence that counts the draws all of whose generated quantities are NaN, as where the program rejects them.
pub fn undefined_generated_quantities(target: &StanTarget, draws: &Draws) -> Option<String> {
    let first = target.transformed_parameter_count();
    let is_undefined = |row: &ArrayView1<f64>| row.len() > first && row.iter().skip(first).all(|value| value.is_nan());
    let undefined = draws.values().rows().into_iter().filter(is_undefined).count();
    (undefined > 0).then(|| {
        let all = draws.len();
        format!(
            "the generated quantities are NaN in {undefined} of the {all} draws: the program rejects them or gives no number"
        )
    })
}
