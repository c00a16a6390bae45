//! NUTS chains: what `stanmatch sample --json` prints and `sample.json` holds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ComparisonDocument, Status, ToolchainRecord, VERSION, finite};
use crate::diagnostics::Summary;

/// The version of [`SampleDocument`].
pub const SAMPLE_SCHEMA: &str = "stanmatch.sample/1";

/// Chains and what is known about them. In the document of a failed run, keys without a value are null.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SampleDocument {
    /// `stanmatch.sample/1`.
    #[cfg_attr(test, schemars(extend("const" = SAMPLE_SCHEMA)))]
    pub schema: String,
    /// Whether there are chains, and whether they can be trusted.
    pub status: Status,
    /// Why the chains are flagged or failed, and what else to know, as sentences.
    #[serde(default)]
    pub messages: Vec<String>,
    /// The posterior's name.
    pub posterior: Option<String>,
    /// The program's name.
    pub model: Option<String>,
    /// The dimension of the unconstrained scale.
    pub dim: Option<u64>,
    /// The seed.
    pub seed: Option<u64>,
    /// How many chains there are.
    pub chains: Option<u64>,
    /// Warm-up iterations per chain.
    pub warmup: Option<u64>,
    /// The folder of the fit that the chains began from; null where they began at random points.
    pub warm_start: Option<PathBuf>,
    /// Draws kept per chain.
    pub draws: Option<u64>,
    /// Iterations per kept draw.
    pub thin: Option<u64>,
    /// Evaluations of the log density with its gradient, warm-up included.
    pub gradient_evaluations: Option<u64>,
    /// The gradient evaluations of the warm-up alone.
    pub warmup_gradient_evaluations: Option<u64>,
    /// Wall time in seconds, without compilation.
    pub seconds: Option<f64>,
    /// Divergent transitions after the warm-up, over all chains.
    pub divergences: Option<u64>,
    /// The step size of each chain.
    pub step_sizes: Option<Vec<Option<f64>>>,
    /// The energy fraction of missing information of each chain.
    pub efmi: Option<Vec<Option<f64>>>,
    /// The largest R-hat.
    pub max_r_hat: Option<f64>,
    /// A summary of each parameter, transformed parameter and generated quantity.
    pub parameters: Option<Vec<SampleParameter>>,
    /// The draws compared with reference draws, where there are any.
    pub comparison: Option<ComparisonDocument>,
    /// What made the program a model.
    pub toolchain: Option<ToolchainRecord>,
    /// The version of stanmatch.
    #[serde(default)]
    pub version: String,
}

/// The summary of one quantity's draws over all chains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SampleParameter {
    /// The quantity's name.
    pub name: String,
    /// Mean of the draws.
    pub mean: Option<f64>,
    /// Standard deviation of the draws.
    pub sd: Option<f64>,
    /// Monte Carlo standard error of the mean.
    pub mcse: Option<f64>,
    /// 5 % quantile.
    pub q5: Option<f64>,
    /// Median.
    pub q50: Option<f64>,
    /// 95 % quantile.
    pub q95: Option<f64>,
    /// Effective sample size for the bulk.
    pub ess_bulk: Option<f64>,
    /// Effective sample size for the tails.
    pub ess_tail: Option<f64>,
    /// Rank-normalised split R-hat.
    pub r_hat: Option<f64>,
}

impl SampleDocument {
    /// The document of a run that failed, and why.
    pub fn failed(message: String) -> Self {
        Self {
            schema: SAMPLE_SCHEMA.to_owned(),
            messages: vec![message],
            version: VERSION.to_owned(),
            ..Self::default()
        }
    }
}

impl From<&Summary> for SampleParameter {
    fn from(it: &Summary) -> Self {
        Self {
            name: it.name.clone(),
            mean: finite(it.mean),
            sd: finite(it.sd),
            mcse: finite(it.mcse),
            q5: finite(it.q5),
            q50: finite(it.q50),
            q95: finite(it.q95),
            ess_bulk: finite(it.ess_bulk),
            ess_tail: finite(it.ess_tail),
            r_hat: finite(it.r_hat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_failed_has_every_key_of_the_contract_in_its_order() {
        let document = SampleDocument::failed("no reason".to_owned());
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(
            text,
            r#"{"schema":"stanmatch.sample/1","status":"failed","messages":["no reason"],"posterior":null,"#.to_owned()
                + r#""model":null,"dim":null,"seed":null,"chains":null,"warmup":null,"warm_start":null,"#
                + r#""draws":null,"thin":null,"gradient_evaluations":null,"warmup_gradient_evaluations":null,"#
                + r#""seconds":null,"divergences":null,"step_sizes":null,"efmi":null,"max_r_hat":null,"#
                + r#""parameters":null,"comparison":null,"toolchain":null,"#
                + &format!(r#""version":"{VERSION}"}}"#)
        );
        assert_eq!(serde_json::from_str::<SampleDocument>(&text).unwrap(), document);
    }

    #[test]
    fn a_summary_has_the_keys_of_the_contract_in_their_order() {
        let summary = Summary {
            name: "mu".to_owned(),
            mean: 0.5,
            sd: 1.0,
            mcse: 0.1,
            q5: -1.0,
            q50: 0.5,
            q95: 2.0,
            ess_bulk: 400.0,
            ess_tail: 300.0,
            r_hat: f64::NAN,
        };
        assert_eq!(
            serde_json::to_string(&SampleParameter::from(&summary)).unwrap(),
            r#"{"name":"mu","mean":0.5,"sd":1.0,"mcse":0.1,"q5":-1.0,"q50":0.5,"q95":2.0,"ess_bulk":400.0,"#.to_owned()
                + r#""ess_tail":300.0,"r_hat":null}"#
        );
    }
}
