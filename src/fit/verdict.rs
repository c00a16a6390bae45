//! The diagnostics of a fit.

use super::finding::Finding;
use crate::engine::Outcome;

/// The diagnostics of a fit. All that apply must agree for it to be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The shape of the importance weights' tail; NaN where nothing was weighed.
    pub pareto_k: f64,
    /// The largest shape of the tail of the weights times a parameter's squared deviations, likewise.
    pub pareto_k_of_variances: f64,
    /// The largest movement of a parameter's mean, in standard deviations, or log standard deviation, when short chains
    /// continued from draws of the Gaussian or the map; NaN where none did.
    pub max_drift: f64,
    /// The evidence lower bound of the approximation: the Gaussian, the mixture of several, or with the method `map`
    /// the map. Not finite where a draw of it was rejected; NaN where there is none.
    pub elbo: f64,
    /// The score divergence per dimension at the end, the median of the last iterations; NaN where no engine ran.
    pub score_divergence: f64,
    /// Whether the engine's score divergence stopped falling; none where no engine ran.
    pub converged: Option<bool>,
    /// What speaks against the answer; empty for a fit to be trusted.
    pub objections: Vec<Finding>,
    /// What else a user should know: why there was more to do than a Gaussian fit.
    pub notes: Vec<Finding>,
}

impl Default for Verdict {
    /// Nothing known yet, nothing to object.
    fn default() -> Self {
        Self {
            pareto_k: f64::NAN,
            pareto_k_of_variances: f64::NAN,
            max_drift: f64::NAN,
            elbo: f64::NAN,
            score_divergence: f64::NAN,
            converged: None,
            objections: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Verdict {
    /// What a run of an engine says.
    pub(super) fn of_engine<F>(outcome: &Outcome<F>) -> Self {
        let Outcome { converged, score_divergence, iterations, rejected, rollbacks, .. } = *outcome;
        let mut verdict = Self { score_divergence, converged: Some(converged), ..Self::default() };
        verdict.objections.extend((!converged).then_some(Finding::NotConverged { iterations }));
        verdict.notes.extend((rejected > 0).then_some(Finding::EngineRejections { count: rejected }));
        verdict.notes.extend((rollbacks > 0).then_some(Finding::RolledBack { times: rollbacks }));
        verdict
    }

    /// Whether the answer can be trusted.
    pub fn is_trusted(&self) -> bool {
        self.objections.is_empty()
    }

    /// Takes over what others say of other draws: what spoke against the draws before explains why there are others.
    pub(super) fn replace_objections(&mut self, others: impl IntoIterator<Item = Finding>) {
        self.notes.extend(std::mem::replace(&mut self.objections, others.into_iter().collect()));
    }
}
