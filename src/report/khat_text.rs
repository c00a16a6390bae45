//! What k̂ and the verdict mean, in words.

use super::numbers::fixed;
use super::plot::{Axis, Figure, Ink, Layer, Plot, PlotError, Scale};

/// k̂ above which importance sampling cannot be trusted, however many draws there are (Vehtari et al., arXiv
/// 1507.02646).
const UNRELIABLE: f64 = 0.7;
/// k̂ above which the weights have no mean.
const HOPELESS: f64 = 1.0;

/// What `pareto_k` says; `chains` says whether the draws returned are those of Markov chains.
pub fn meaning(pareto_k: f64, chains: bool) -> String {
    let judged = match pareto_k {
        k if k.is_nan() => return "No importance weights were computed, so there is no k̂.".into(),
        k if k <= 0.5 => {
            "the weights have a finite variance, and importance sampling works well: the fitted approximation \
                          covers the posterior"
        }
        k if k <= UNRELIABLE => {
            "importance sampling corrects what the fitted approximation misses, at the cost of some effective draws"
        }
        k if k <= HOPELESS => {
            "a few draws carry most of the weight, and importance sampling cannot correct the fitted approximation with a \
             reasonable number of draws; single marginals may still be right"
        }
        _ => {
            "the weights have no finite mean, and importance sampling fails: the fitted approximation misses part of the posterior, \
              or there are many dimensions"
        }
    };
    let after = if chains { " The draws shown are those of Markov chains, about which k̂ says nothing." } else { "" };
    format!("At {}, {judged}.{after}", fixed(pareto_k, 2))
}

/// k̂ on a scale with its thresholds.
pub fn gauge(pareto_k: f64) -> Result<Option<Figure>, PlotError> {
    if pareto_k.is_nan() {
        return Ok(None);
    }
    let to = (1.15 * pareto_k).clamp(1.5, 10.0);
    let from = pareto_k.clamp(-1.0, 0.0);
    let bound = |k| vec![(k, -0.5), (k, 0.5)];
    let plot = Plot {
        name: String::new(),
        caption: String::new(),
        description: format!("k̂ is {}, on a scale with the bounds {UNRELIABLE} and {HOPELESS}.", fixed(pareto_k, 2)),
        size: (340, 70),
        x: Axis { label: "k̂".into(), range: (from - 0.05, to), scale: Scale::Linear },
        y: Axis { label: String::new(), range: (-0.5, 0.5), scale: Scale::Bare },
        layers: vec![
            Layer::Line(Ink::Limit, bound(UNRELIABLE)),
            Layer::Line(Ink::Limit, bound(HOPELESS)),
            Layer::Dots(Ink::Fit, vec![(pareto_k, 0.0)]),
        ],
    };
    plot.figure().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_hat_is_explained_on_either_side_of_its_bounds() {
        let says = |k, part: &str| assert!(meaning(k, false).contains(part), "{}", meaning(k, false));
        says(-0.2, "works well");
        says(0.69, "corrects");
        says(0.71, "cannot correct");
        says(1.2, "no finite mean");
        says(f64::NAN, "No importance weights");
        assert!(meaning(0.9, true).contains("Markov chains"));
    }
}
