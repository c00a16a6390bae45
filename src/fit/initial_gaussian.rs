//! Where a fit starts.

use super::Problem;
use super::options::Init;
use crate::init::{InitError, LocalGaussian, PathOptions, given_point, laplace, map, path, random_point};
use crate::model::Target as _;
use crate::random::Stream;

/// The Gaussian to start with.
pub(super) fn initial_gaussian(problem: Problem<'_>, init: &Init) -> Result<LocalGaussian, InitError> {
    let Problem { target, seed, .. } = problem;
    Ok(match init {
        Init::Path { paths } => path(target, &PathOptions { paths: *paths, ..PathOptions::default() }, seed)?.0,
        Init::Map => map(target, seed)?,
        Init::Laplace => laplace(target, seed)?,
        Init::Random => LocalGaussian::unit(random_point(target, &mut Stream::Path(0).of(seed))?.position),
        Init::Zero => LocalGaussian::unit(given_point(target, vec![0.0; target.dim()])?.position),
        Init::Point(position) => LocalGaussian::unit(given_point(target, position.clone())?.position),
    })
}
