//! Score-matching variational inference for Stan models, started from the MAP and checked against reference draws.
//!
//! The rooms, each of which uses only rooms before it: [`import`] reads draws that other tools wrote, [`toolchain`]
//! compiles a Stan program, [`database`] knows posteriors and their reference draws, [`gaussian`] holds the
//! approximations, [`model`] is what an engine sees of a posterior, [`diagnostics`] says what draws say, [`compare`]
//! holds draws against reference draws, [`init`] finds where a fit begins, [`sample`] runs Markov chains, [`engine`]
//! matches scores, [`fit`] is one fit as a whole, [`output`] writes files, [`report`] makes pages of them and [`suite`]
//! runs many fits and finds regressions.
//!
//! A posterior of the embedded database, from the program to draws that are held against its reference draws. It needs
//! the Stan toolchain, which `stanmatch toolchain install` installs.
//!
//! ```
//! use stanmatch::compare::compare;
//! use stanmatch::database::Database;
//! use stanmatch::fit::{FitOptions, fit};
//! use stanmatch::toolchain::StanModel;
//! use stanmatch::toolchain::{Choice, CompileOptions, Toolchain};
//!
//! let posterior = Database::open(None, None)?.posterior("eight_schools")?;
//! let toolchain = Toolchain::find(&Choice::default())?;
//! let compiled = toolchain.compile(&posterior.program()?, &CompileOptions::default(), &|_| {})?;
//! let target = StanModel::load(&compiled.library, &posterior.data()?, 1)?;
//!
//! let fit = fit(&target, &FitOptions::default(), &())?;
//! assert!(fit.verdict.objections.is_empty(), "this fit can be trusted: k̂ is {}", fit.verdict.pareto_k);
//! let mu = fit.draws.column("mu").ok_or("the program has a parameter mu")?;
//! println!("the mean of mu is {:?}", mu.mean());
//!
//! let comparison = compare(&fit.draws, &posterior.required_reference()?)?;
//! assert!(comparison.within_tolerance);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The library has threads of its own, those of rayon's global pool. Run programs that use it with
//! `OPENBLAS_NUM_THREADS=1`, as the `stanmatch` binary does: OpenBLAS would start as many again for each of them, results
//! would depend on their number, and its LU decomposition overflows the stacks of threads that Rust starts
//! ([OpenBLAS issue 3229](https://github.com/OpenMathLib/OpenBLAS/issues/3229)).

pub mod compare;
pub mod database;
pub mod diagnostics;
pub mod draws;
pub mod engine;
pub mod files;
pub mod fit;
pub mod gaussian;
pub mod import;
pub mod init;
mod linalg;
pub mod model;
pub mod output;
pub mod program;
pub mod random;
pub mod reference;
pub mod report;
pub mod sample;
pub mod suite;
// Links OpenBLAS, which ndarray's products call.
use ndarray_linalg as _;

pub mod toolchain;
