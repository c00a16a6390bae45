//! The sampler's options that several commands share.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use stanmatch::document::SavedFamily;
use stanmatch::gaussian::Approximation;
use stanmatch::model::Model;
use stanmatch::sample;
use stanmatch::toolchain::StanModel;

/// The metric of the chains.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    /// Diagonal: a scale for each coordinate
    Diag,
    /// Low-rank: scales and a few directions of strong correlation
    LowRank,
}

impl From<Metric> for sample::Metric {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Diag => Self::Diagonal,
            Metric::LowRank => Self::LowRank,
        }
    }
}

/// The fit that chains begin from.
#[derive(clap::Args)]
pub struct WarmStart {
    /// Start from the fit saved in this folder (`fit --output`): from draws of its Gaussian, in whose coordinates a
    /// short warm-up is enough
    #[arg(long = "warm-start", value_name = "FIT_DIR")]
    pub folder: Option<PathBuf>,
}

impl WarmStart {
    /// The Gaussian of the fit, if there is one.
    pub fn approximation(&self, target: &StanModel) -> anyhow::Result<Option<Approximation>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let family = SavedFamily::read(folder)?
            .approximation(&target.unconstrained_names())
            .with_context(|| format!("cannot start from {}", folder.display()))?;
        Ok(Some(family))
    }
}

/// How many threads to use.
#[derive(clap::Args, Clone)]
pub struct Threads {
    /// The number of threads; the results do not depend on it [default: the number of processors]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

impl Threads {
    /// The number given, else the number of processors.
    pub fn count(&self) -> usize {
        let available = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(available, NonZeroUsize::get)
    }
}
