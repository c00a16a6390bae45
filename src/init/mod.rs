//! Where a fit begins: random points, the MAP by L-BFGS, Laplace's approximation, or the best point of Pathfinder's
//! walks.

mod inverse_hessian;
mod lbfgs;
mod local_gaussian;
mod mode;
mod path;
mod start;

pub use inverse_hessian::{FactoredCovariance, InverseHessian};
pub use lbfgs::{LbfgsOptions, Point, climb};
pub use local_gaussian::LocalGaussian;
pub use mode::{laplace, map};
pub use path::{PathGaussian, PathOptions, path, paths};
pub use start::{InitError, given_point, random_point};
