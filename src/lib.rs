//! Score-matching variational inference for Stan models, started from the MAP and checked against reference draws.
//!
//! The rooms, in the order in which data flows; each uses only rooms above it:
//! [`toolchain`] compiles a Stan program, [`import`] reads draws that other tools wrote, [`database`] knows posteriors and
//! their reference draws, [`target`] is what an engine sees of a posterior, [`family`] holds the approximations,
//! [`diagnostics`] says what draws say, [`init`] finds where a fit begins, [`sample`] runs Markov chains, [`engine`] matches
//! scores, [`fit`] is one fit as a whole, [`compare`] holds draws against reference draws, [`output`] writes files and
//! [`suite`] runs many fits and finds regressions.

pub mod compare;
pub mod database;
pub mod diagnostics;
pub mod draws;
pub mod engine;
pub mod family;
pub mod files;
pub mod fit;
pub mod import;
pub mod init;
pub mod output;
pub mod random;
pub mod report;
pub mod sample;
pub mod suite;
pub mod target;
// Links OpenBLAS, which ndarray's products call.
use ndarray_linalg as _;

pub mod toolchain;
