//! Draws from the unconstrained to the constrained scale.

use crate::draws::Draws;
use crate::model::{EvaluationError, Model, Recorder, Rejections};
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
    /// The program is wrong, whatever the draw: an index is out of range, or sizes do not match.
    #[error("the program is wrong: {0}")]
    Defect(String),
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
        if let Err(error) = generator.constrain(&point, row) {
            if let EvaluationError::Defect(words) = error {
                return Err(ConstrainError::Defect(words));
            }
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

/// Draws at which what the program says of its generated quantities is asked for again.
const ASKED: usize = 200;

/// Sentences on generated quantities that have no numbers: how many draws have none at all, as where the program rejects
/// them, with what it says there, and which quantities have none at any draw. `points` are the draws on the unconstrained
/// scale, chain by chain.
pub fn undefined_generated_quantities(
    target: &dyn Model,
    draws: &Draws,
    points: &[ArrayView2<'_, f64>],
    seed: u64,
) -> Vec<String> {
    let first = target.transformed_parameter_count();
    let is_undefined = |row: &ArrayView1<f64>| row.len() > first && row.iter().skip(first).all(|value| value.is_nan());
    let undefined: Vec<usize> = (0..draws.len()).filter(|&row| is_undefined(&draws.values().row(row))).collect();
    let all = draws.len();
    let mut sentences = Vec::new();
    if !undefined.is_empty() {
        let said = said_of_generated_quantities(target, &undefined, points, seed);
        let cause =
            if said.count() == 0 { "the program rejects them or gives no number".to_owned() } else { said.to_string() };
        sentences.push(format!("the generated quantities are NaN in {} of the {all} draws: {cause}", undefined.len()));
    }
    if undefined.len() < all {
        let is_never_defined = |column: &usize| draws.values().column(*column).iter().all(|value| value.is_nan());
        let names: Vec<&str> = (first..draws.names().len())
            .filter(is_never_defined)
            .map(|column| draws.names()[column].as_str())
            .collect();
        sentences.extend(never_defined(&names));
    }
    sentences
}

/// What the program says of its generated quantities at some of these rows of `points`.
fn said_of_generated_quantities(
    target: &dyn Model,
    rows: &[usize],
    points: &[ArrayView2<'_, f64>],
    seed: u64,
) -> Rejections {
    let recorder = Recorder::default();
    let Some(mut generator) = stan_seeds(seed).next().and_then(|seed| target.generator(seed).ok()) else {
        return recorder.rejections();
    };
    let point = |mut row: usize| {
        points.iter().find_map(|chain| {
            let found = (row < chain.nrows()).then(|| chain.row(row).to_vec());
            row = row.saturating_sub(chain.nrows());
            found
        })
    };
    let mut values = vec![0.0; target.names().len()];
    for x in rows.iter().take(ASKED).filter_map(|&row| point(row)) {
        if let Err(error) = generator.constrain(&x, &mut values) {
            recorder.record(&error);
        }
    }
    recorder.rejections()
}

/// Names of quantities that a sentence lists.
const LISTED: usize = 5;

fn never_defined(names: &[&str]) -> Option<String> {
    let (listed, rest) = names.split_at(names.len().min(LISTED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    let are = if names.len() == 1 { "is" } else { "are" };
    (!names.is_empty()).then(|| {
        format!(
            "{}{more} {are} NaN in every draw: the program does not set all of its generated quantities",
            listed.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Coordinates as parameters, and a quantity that is rejected where the first is negative.
    struct Rejecting(Vec<String>);
    impl crate::model::Target for Rejecting {
        fn dim(&self) -> usize {
            1
        }
        fn log_density(&self, _: &[f64]) -> Result<f64, EvaluationError> {
            Ok(0.0)
        }
        fn log_density_and_score(&self, _: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            score[0] = 0.0;
            Ok(0.0)
        }
    }
    impl Model for Rejecting {
        fn names(&self) -> &[String] {
            &self.0
        }
        fn parameter_count(&self) -> usize {
            1
        }
        fn unconstrained_names(&self) -> Vec<String> {
            vec!["x".into()]
        }
        fn constrain_parameters(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
            out[0] = x[0];
            Ok(())
        }
        fn generator(&self, _: u32) -> Result<Box<dyn crate::model::Generator + '_>, EvaluationError> {
            struct Positive;
            impl crate::model::Generator for Positive {
                fn constrain(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
                    if x[0] > 9.0 {
                        return Err(EvaluationError::Defect("index 3 out of range".into()));
                    }
                    if x[0] < 0.0 {
                        return Err(EvaluationError::Program(format!("x is negative: {}", x[0])));
                    }
                    out.copy_from_slice(&[x[0], x[0], f64::NAN]);
                    Ok(())
                }
            }
            Ok(Box::new(Positive))
        }
        fn unconstrain(&self, parameters: &[f64]) -> Result<Vec<f64>, EvaluationError> {
            Ok(parameters.to_vec())
        }
    }

    #[test]
    fn undefined_quantities_are_told_with_the_programs_words() {
        let model = Rejecting(["x", "y", "unset"].map(str::to_owned).to_vec());
        let points = [ndarray::array![[1.0], [-1.0]], ndarray::array![[-2.0], [3.0]]];
        let views: Vec<ArrayView2<f64>> = points.iter().map(|chain| chain.view()).collect();
        let draws = constrain(&model, &views, 1).unwrap();
        let sentences = undefined_generated_quantities(&model, &draws, &views, 1);
        assert_eq!(
            sentences,
            [
                "the generated quantities are NaN in 2 of the 4 draws: x is negative: -1",
                "unset is NaN in every draw: the program does not set all of its generated quantities"
            ]
        );
        let all = constrain(&model, &[ndarray::array![[1.0]].view()], 1).unwrap();
        assert_eq!(all.values().row(0).to_vec()[..2], [1.0, 1.0]);
        let defect = constrain(&model, &[ndarray::array![[10.0]].view()], 1).unwrap_err();
        assert!(matches!(defect, ConstrainError::Defect(_)), "{defect}");
    }

    #[test]
    fn neighbouring_seeds_share_no_generator() {
        let seeds: HashSet<u32> = (0..100).flat_map(|seed| stan_seeds(seed).take(10)).collect();
        assert_eq!(seeds.len(), 1000);
    }
}
