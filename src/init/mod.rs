//! Where a fit begins: random points, the MAP by L-BFGS, Laplace's approximation, or the best point of Pathfinder's
//! optimisation paths.

mod inverse_hessian;
mod lbfgs;
mod local_gaussian;
mod mode;
mod modes;
mod pathfinder;
mod random_init;

pub use inverse_hessian::{FactoredCovariance, InverseHessian};
pub use lbfgs::{LbfgsOptions, Point, climb};
pub use local_gaussian::LocalGaussian;
pub use mode::{laplace, map};
pub use modes::{Image, Mode, ModeOptions, Modes, Symmetry, modes, symmetries};
pub use pathfinder::{PathGaussian, PathOptions, path, paths};
pub use random_init::{InitError, given_point, random_point};
