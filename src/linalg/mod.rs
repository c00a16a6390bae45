//! Dense linear algebra: products of large matrices in blocks, Cholesky factors, eigenproblems of small symmetric
//! matrices, and how arrays are written to documents.

pub(crate) mod array_serde;
mod cholesky;
mod eigen;
mod gemm;

pub(crate) use cholesky::{cholesky, invert_lower, semidefinite_cholesky};
pub(crate) use eigen::eigen;
pub(crate) use gemm::multiply_add;

use thiserror::Error;

/// A covariance that is not positive definite.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("the covariance is not positive definite")]
pub struct NotPositiveDefinite;
