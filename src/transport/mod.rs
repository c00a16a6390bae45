//! Triangular transport maps, fitted to scores: approximations that hold what a Gaussian cannot, such
//! as funnels, bananas and hierarchies.

mod coefficients;
mod conditionals;
mod evaluation;
mod features;
mod fit;
mod frame;
mod gradient;
mod linear;
mod map;
mod objective;
mod pairs;
mod points;
mod pull_back;
mod regression;
mod saved;
mod search;
mod structure;
mod table;
mod tails;
#[cfg(test)]
pub(crate) mod testing;
mod transported;
mod workspace;

pub use fit::{MapFit, MapFitOptions};
pub use map::TriangularMap;
pub use search::{Found, NEGLIGIBLE, mean_residual, search};
pub use structure::Structure;
pub use transported::Transported;
pub(crate) use workspace::Workspace;

use thiserror::Error;

/// Why parts do not form a map.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidMap {
    /// The order is no permutation.
    #[error("the order of the map's coordinates does not name each of them once")]
    Order,
    /// There are more drivers than coordinates.
    #[error("the map has {drivers} drivers but only {dim} coordinates")]
    Drivers {
        /// How many drivers.
        drivers: usize,
        /// The dimension D.
        dim: usize,
    },
    /// A position depends on one that does not come before it.
    #[error(
        "the parents of position {position} in the map's order are not an ascending list of earlier positions that \
         are no drivers"
    )]
    Parents {
        /// The position.
        position: usize,
    },
    /// A part has the wrong length.
    #[error("the map has {found} {what} where its structure has {expected}")]
    Length {
        /// What part.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that the structure asks for.
        expected: usize,
    },
    /// A number is not finite, or a scale not positive.
    #[error("a number of the map is not finite, or one of its scales is not positive")]
    NotFinite,
}
