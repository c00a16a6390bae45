//! Dense linear algebra: products of large matrices in blocks, Cholesky and QR factors, symmetric
//! eigenproblems, singular values, and how arrays are written to documents. All calls of LAPACK are
//! here.
//!
//! Functions without `_factor` or a result of their own work in place on small matrices of our own,
//! contiguous row by row.

pub(crate) mod array_serde;
mod cholesky;
mod column_blocks;
mod eigen;
mod gemm;
mod one_row;
mod qr;
mod svd;

pub(crate) use cholesky::{cholesky, cholesky_factor, invert_lower, semidefinite_cholesky};
pub(crate) use column_blocks::{COLUMN_BLOCK, column_blocks};
pub(crate) use eigen::{SymmetricEigen, eigen, eigen_columns};
pub(crate) use gemm::multiply_add;
pub(crate) use one_row::{row, row_mut};
pub(crate) use qr::{inverse, log_determinant, qr, solve_lower, solve_upper};
pub(crate) use svd::{LeftSvd, ThinSvd, thin_svd};

use thiserror::Error;

/// A covariance that is not positive definite.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("the covariance is not positive definite")]
pub struct NotPositiveDefinite;
