//! What a run of the sampler is asked to do.

use super::{Metric, SampleError};

/// Options of the No-U-Turn sampler. The defaults are Stan's.
#[derive(Debug, Clone, PartialEq)]
pub struct NutsOptions {
    /// Number of chains.
    pub chains: usize,
    /// Iterations per chain that adapt the step size and the metric and are not kept.
    pub warmup: usize,
    /// Draws kept per chain.
    pub draws: usize,
    /// Iterations per kept draw.
    pub thin: usize,
    /// The acceptance statistic that the step size is adapted to, between 0 and 1. Nearer 1, steps are smaller.
    pub adapt_delta: f64,
    /// A trajectory has at most 2 to this power leapfrog steps.
    pub max_depth: u32,
    /// What the adapted metric can express.
    pub metric: Metric,
    /// The seed of all random numbers.
    pub seed: u64,
    /// How many chains run at a time. The draws do not depend on it.
    pub threads: usize,
}

impl Default for NutsOptions {
    fn default() -> Self {
        Self {
            chains: 4,
            warmup: 1000,
            draws: 1000,
            thin: 1,
            adapt_delta: 0.8,
            max_depth: 10,
            metric: Metric::Diagonal,
            seed: 1,
            threads: 1,
        }
    }
}

impl NutsOptions {
    /// Iterations per chain after the warm-up.
    pub fn iterations(&self) -> usize {
        self.draws.saturating_mul(self.thin)
    }

    /// Refuses values that no run can have.
    pub(super) fn check(&self) -> Result<(), SampleError> {
        let refuse = |option, allowed, value| Err(SampleError::Option { option, allowed, value });
        for (option, value) in
            [("chains", self.chains), ("draws", self.draws), ("thin", self.thin), ("threads", self.threads)]
        {
            if value == 0 {
                return refuse(option, "at least 1", 0.0);
            }
        }
        if !(self.adapt_delta > 0.0 && self.adapt_delta < 1.0) {
            return refuse("the target acceptance", "between 0 and 1, both excluded", self.adapt_delta);
        }
        // A trajectory of 2^20 steps takes longer than anybody waits; from 2^64 on the count overflows.
        if !(1..=20).contains(&self.max_depth) {
            return refuse("the maximum depth", "from 1 to 20", self.max_depth.into());
        }
        Ok(())
    }
}
