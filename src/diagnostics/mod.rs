//! What draws say about themselves: do the chains agree, how much do they know, how exact are their
//! summaries.
//!
//! The diagnostics are those of Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021),
//! "Rank-normalization, folding, and localization: an improved R-hat" (arXiv 1903.08008), and agree
//! with ArviZ and posterior. Each takes the chains of one quantity ([`chains_of`]) and is NaN where
//! it is not defined.

mod autocorrelation;
mod bulk;
mod chain_moments;
mod efmi;
mod ess;
mod heavy_tails;
mod mcse;
mod moments;
mod normal_error;
mod psis;
mod quantile;
mod rank_normalisation;
mod rhat;
mod split_chains;
mod start_dependence;
mod summary;

pub use autocorrelation::lag1_autocorrelation;
pub use bulk::ess_bulk_and_r_hat;
pub use chain_moments::{ChainMoments, MomentSummary, Movement};
pub use efmi::{SMALLEST_EFMI, efmi};
pub use ess::{ess_bulk, ess_mean, ess_quantile, ess_sd, ess_tail};
pub use heavy_tails::{has_fourth_moment, is_heavy_tailed};
pub use mcse::{mcse_mean, mcse_quantile, mcse_sd};
pub use moments::moments;
pub use normal_error::{log_interval_error, log_sd_error, median_error};
pub use psis::{Psis, pareto_k, pareto_k_threshold, psis};
pub use quantile::{median, quantile};
pub use rank_normalisation::Ranks;
pub use rhat::{LARGEST_R_HAT, r_hat};
pub use split_chains::{MIN_DRAWS, chains_of};
pub use start_dependence::{StartValues, critical_correlation};
pub use summary::{Summary, summarise};
