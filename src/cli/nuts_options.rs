//! The sampler's options that several commands share.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use stanmatch::sample;

/// What the metric of the chains can express.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    /// A scale for each coordinate
    Diag,
    /// Scales and a few directions of strong correlation
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

/// How many threads to use.
#[derive(clap::Args, Clone)]
pub struct Threads {
    /// How many threads to use; the results do not depend on it [default: the number of processors]
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
