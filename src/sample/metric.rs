//! The mass matrix of the chains.

/// What the metric of the chains can express. A metric is the mass matrix; its inverse is the covariance that warm-up
/// estimates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// A scale for each coordinate.
    Diagonal,
    /// Scales and a few directions of strong correlation (nuts-rs, after Seyboldt et al. 2024).
    LowRank,
}
