//! Variational inference by score matching for Stan programs and any other differentiable log density, with a check of
//! the answer.
//!
//! A fit ([`fit`](fit::fit)) brings a [`Model`](model::Model) to draws with a verdict: a Gaussian is fitted by matching
//! scores, its draws are corrected by importance sampling, and where that cannot be trusted Markov chains take over.
//!
//! # A density of your own
//!
//! A log density with its gradient, given as a closure, is a model whose parameters are its coordinates. `examples/` has
//! more: `custom_density.rs`, `custom_engine.rs`, and `quickstart.rs` for a Stan program.
//!
//! ```
//! use stanmatch::fit::{FitOptions, fit};
//! use stanmatch::model::{Density, Unconstrained};
//!
//! // Two independent normal variables with standard deviations 1 and 3.
//! let normal = Density::new(2, |x: &[f64], gradient: &mut [f64]| {
//!     (gradient[0], gradient[1]) = (-x[0], -x[1] / 9.0);
//!     -0.5 * (x[0] * x[0] + x[1] * x[1] / 9.0)
//! });
//!
//! let fit = fit(&Unconstrained::new(normal), &FitOptions::default(), &())?;
//! assert!(fit.verdict.objections.is_empty(), "k̂ is {}", fit.verdict.pareto_k);
//! let second = fit.draws.column("x[2]").ok_or("a model of two coordinates")?;
//! assert!((second.std(1.0) - 3.0).abs() < 0.2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A Stan program
//!
//! A posterior of the embedded database, from the program to draws that are compared with its reference draws. It needs
//! the Stan toolchain, which `stanmatch toolchain install` installs.
//!
//! ```
//! # #[cfg(all(feature = "embedded-posteriors", feature = "toolchain"))] {
//! use stanmatch::compare::compare;
//! use stanmatch::database::Database;
//! use stanmatch::fit::{FitOptions, fit};
//! use stanmatch::toolchain::Choice;
//!
//! let posterior = Database::open(None, None)?.posterior("eight_schools")?;
//! let model = Choice::default().load(&posterior.program()?, &posterior.data()?, 1, &|_| {})?.model;
//!
//! let fit = fit(&model, &FitOptions::default(), &())?;
//! assert!(fit.verdict.objections.is_empty(), "this fit can be trusted: k̂ is {}", fit.verdict.pareto_k);
//! let mu = fit.draws.column("mu").ok_or("the program has a parameter mu")?;
//! println!("the mean of mu is {:?}", mu.mean());
//!
//! let comparison = compare(&fit.draws, &posterior.required_reference()?)?;
//! assert!(comparison.within_tolerance);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! With `default-features = false` the library is what inference needs: approximations, models, engines, chains,
//! diagnostics, comparisons and [`fit`]. It reads and writes no files of other tools, and knows no Stan.
//!
//! | feature | default | brings | for that |
//! |---|---|---|---|
//! | `toolchain` | yes | [`toolchain`], [`program`] | Stan models: compiling programs, `StanModel` |
//! | `io` | through others | [`import`], [`database`], [`program`], [`mod@reference`], [`document`], [`output`] | draws and fits in files, posteriordb's databases, making reference draws |
//! | `embedded-posteriors` | yes | `io` | a part of posteriordb and our Stan programs, 11 MB, compiled in |
//! | `report` | yes | `io`, [`report`] | plots and HTML reports |
//! | `cli` | yes | `report`, `toolchain`, [`suite`] | the binary, and suites of fits, which it runs |
//!
//! # Threads
//!
//! The library has threads of its own, those of rayon's global pool. Run programs that use it with
//! `OPENBLAS_NUM_THREADS=1`, as the `stanmatch` binary does: OpenBLAS would start as many again for each of them, results
//! would depend on their number, and its LU decomposition overflows the stacks of threads that Rust starts
//! ([OpenBLAS issue 3229](https://github.com/OpenMathLib/OpenBLAS/issues/3229)).

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod compare;
#[cfg(feature = "io")]
pub mod database;
pub mod diagnostics;
#[cfg(feature = "io")]
pub mod document;
pub mod draws;
pub mod engine;
pub mod files;
pub mod fit;
pub mod gaussian;
#[cfg(feature = "io")]
pub mod import;
pub mod init;
mod linalg;
mod minimise;
pub mod model;
#[cfg(feature = "io")]
pub mod output;
#[cfg(any(feature = "io", feature = "toolchain"))]
pub mod program;
pub mod random;
#[cfg(feature = "io")]
pub mod reference;
#[cfg(feature = "report")]
pub mod report;
pub mod sample;
#[cfg(feature = "cli")]
pub mod suite;
#[cfg(feature = "toolchain")]
pub mod toolchain;
pub mod transport;

// Links OpenBLAS, which ndarray's products call.
use ndarray_linalg as _;
