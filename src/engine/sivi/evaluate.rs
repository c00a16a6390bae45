//! A target's scores and Hessian-vector products at many points.

use super::SiviError;
use crate::model::{EvaluationError, Target};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use std::time::{Duration, Instant};

/// A table of scores that takes longer than this is worth sharing with other threads.
const WORTH_THREADS: Duration = Duration::from_micros(200);

/// Scores at the rows of a table, on rayon's threads where that pays. The numbers do not depend on the threads.
#[derive(Debug, Clone)]
pub struct Evaluator {
    parallel: bool,
    measured: usize,
    usable: Vec<bool>,
    log_densities: Vec<f64>,
}

impl Evaluator {
    /// For tables of `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self { parallel: false, measured: 0, usable: vec![true; rows], log_densities: vec![0.0; rows] }
    }

    /// Which rows of the last table of scores the target did not reject.
    pub fn usable(&self) -> &[bool] {
        &self.usable
    }

    /// The log densities at the rows of the last table; NaN where the target rejected one.
    pub fn log_densities(&self) -> &[f64] {
        &self.log_densities
    }

    /// The scores at the rows of `points`, written to `scores`; rows that the target rejects are zero and not usable.
    pub fn scores<T: Target + ?Sized>(&mut self, target: &T, points: &Array2<f64>, scores: &mut Array2<f64>) {
        let start = Instant::now();
        let evaluate = |point: &[f64], score: &mut [f64], value: &mut f64, usable: &mut bool| {
            let result = target.log_density_and_score(point, score);
            *usable = result.is_ok() && score.iter().all(|s| s.is_finite());
            *value = result.unwrap_or(f64::NAN);
            if !*usable {
                score.fill(0.0);
            }
        };
        let dim = points.ncols();
        let outputs = (contiguous(scores), &mut self.log_densities[..], &mut self.usable[..]);
        let points = points.as_slice().expect("our own tables are contiguous");
        if self.parallel {
            let outputs = outputs.0.par_chunks_mut(dim).zip(outputs.1).zip(outputs.2);
            points.par_chunks(dim).zip(outputs).for_each(|(p, ((s, v), u))| evaluate(p, s, v, u));
        } else {
            let outputs = outputs.0.chunks_mut(dim).zip(outputs.1).zip(outputs.2);
            points.chunks(dim).zip(outputs).for_each(|(p, ((s, v), u))| evaluate(p, s, v, u));
        }
        // Two tables tell whether threads pay: the first may have to load a program's pages.
        if self.measured < 2 {
            self.measured += 1;
            self.parallel = self.measured == 2 && rayon::current_num_threads() > 1 && start.elapsed() > WORTH_THREADS;
        }
    }

    /// The products of the Hessian at the usable rows of `points` with the rows of `vectors`, written to `products`;
    /// zero at rows that are not usable.
    ///
    /// # Errors
    /// Where the target has no product at any of them.
    pub fn products<T: Target + ?Sized>(
        &mut self,
        target: &T,
        points: &Array2<f64>,
        vectors: &Array2<f64>,
        products: &mut Array2<f64>,
    ) -> Result<(), SiviError> {
        let evaluate =
            |(((point, vector), product), usable): (((_, _), &mut [f64]), &mut bool)| -> Option<EvaluationError> {
                if *usable {
                    match target.hessian_vector(point, vector, product) {
                        Ok(()) if product.iter().all(|p| p.is_finite()) => return None,
                        result => {
                            *usable = false;
                            product.fill(0.0);
                            return Some(result.err().unwrap_or(EvaluationError::NotFinite));
                        }
                    }
                }
                product.fill(0.0);
                None
            };
        let dim = points.ncols();
        let (points, vectors) = (points.as_slice(), vectors.as_slice());
        let (points, vectors) = points.zip(vectors).expect("our own tables are contiguous");
        let rejected: Option<EvaluationError> = if self.parallel {
            let inputs = points.par_chunks(dim).zip(vectors.par_chunks(dim));
            let rows = inputs.zip(contiguous(products).par_chunks_mut(dim)).zip(&mut self.usable);
            // Of several rejections the first row's, whatever the threads.
            rows.map(evaluate).collect::<Vec<_>>().into_iter().flatten().next()
        } else {
            let inputs = points.chunks(dim).zip(vectors.chunks(dim));
            let rows = inputs.zip(contiguous(products).chunks_mut(dim)).zip(&mut self.usable);
            rows.map(evaluate).fold(None, |first, rejected| first.or(rejected))
        };
        match rejected {
            Some(reason) if !self.usable.contains(&true) => Err(SiviError::NoProducts(reason)),
            _ => Ok(()),
        }
    }
}

fn contiguous(table: &mut Array2<f64>) -> &mut [f64] {
    table.as_slice_mut().expect("our own tables are contiguous")
}

/// The rows of a table as draws: one at a time, for what needs no batch.
pub fn rows(table: &Array2<f64>) -> impl Iterator<Item = &[f64]> {
    table.axis_iter(Axis(0)).map(|row| row.to_slice().expect("rows are contiguous"))
}
