//! Draws as CmdStan writes them: comments, a line of names such as `theta.1`, a line per draw. One file is one chain.

use crate::sample::{Chain, NutsOptions};
use ndarray::ArrayView2;
use std::fmt::{Display, Write};

/// One chain in CmdStan's CSV.
#[derive(Debug, Clone, Default)]
pub struct CmdstanCsv {
    /// Comments above the names.
    pub configuration: Vec<String>,
    /// Columns of the algorithm itself, whose names end in `__`: each draw's value.
    pub algorithm: Vec<(&'static str, Vec<f64>)>,
    /// Comments between the names and the draws.
    pub adaptation: Vec<String>,
    /// Comments below the draws.
    pub closing: Vec<String>,
}

impl CmdstanCsv {
    /// The file's text, for draws × quantities of the given names (in Stan's style, `theta[1]`).
    pub fn text(&self, names: &[String], draws: ArrayView2<'_, f64>) -> String {
        let mut text = String::new();
        let comment = |text: &mut String, lines: &[String]| {
            lines.iter().for_each(|line| text.extend(["# ", line, "\n"]));
        };
        comment(&mut text, &self.configuration);
        let dotted = names.iter().map(|name| dotted(name));
        let columns: Vec<String> = self.algorithm.iter().map(|(name, _)| (*name).to_owned()).chain(dotted).collect();
        text.extend([&columns.join(","), "\n"]);
        comment(&mut text, &self.adaptation);
        for (index, draw) in draws.rows().into_iter().enumerate() {
            let values = self.algorithm.iter().map(|(_, values)| values[index]).chain(draw.iter().copied());
            for (place, value) in values.enumerate() {
                let comma = if place > 0 { "," } else { "" };
                // Nothing can go wrong in memory.
                let _ = write!(text, "{comma}{}", Number(value));
            }
            text.push('\n');
        }
        comment(&mut text, &self.closing);
        text
    }

    /// What CmdStan would have said of this NUTS chain, the one with the given index from 0 of a run of these options.
    /// `stan_version` is such as 2.35.0.
    pub fn nuts(model: &str, stan_version: &str, options: &NutsOptions, index: usize, chain: &Chain) -> Self {
        let column = |value: fn(&crate::sample::Transition) -> f64| chain.transitions.iter().map(value).collect();
        let warmup = chain.warmup_time.as_secs_f64();
        let sampling = chain.time.as_secs_f64();
        Self {
            configuration: configuration(model, stan_version, options, index, chain),
            algorithm: vec![
                ("lp__", column(|transition| transition.log_density)),
                ("accept_stat__", column(|transition| transition.acceptance)),
                ("stepsize__", column(|transition| transition.step_size)),
                ("treedepth__", column(|transition| transition.depth as f64)),
                ("n_leapfrog__", column(|transition| transition.leapfrogs as f64)),
                ("divergent__", column(|transition| f64::from(u8::from(transition.divergent)))),
                ("energy__", column(|transition| transition.energy)),
            ],
            adaptation: adaptation(chain),
            closing: vec![
                String::new(),
                format!(" Elapsed Time: {warmup:.3} seconds (Warm-up)"),
                format!("               {sampling:.3} seconds (Sampling)"),
                format!("               {:.3} seconds (Total)", warmup + sampling),
                String::new(),
            ],
        }
    }
}

/// The lines that readers take the run's settings from, indented as CmdStan's tree of arguments.
fn configuration(model: &str, stan_version: &str, options: &NutsOptions, index: usize, chain: &Chain) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say =
        |depth: usize, key: &str, value: &dyn Display| lines.push(format!("{:1$}{key} = {value}", "", 2 * depth));
    for (part, number) in ["major", "minor", "patch"].iter().zip(stan_version.split('.')) {
        say(0, &format!("stan_version_{part}"), &number);
    }
    say(0, "model", &format!("{model}_model"));
    say(0, "method", &"sample (Default)");
    say(2, "num_samples", &options.iterations());
    say(2, "num_warmup", &options.warmup);
    say(2, "save_warmup", &"0 (Default)");
    say(2, "thin", &options.thin);
    say(3, "engaged", &u8::from(options.warmup > 0));
    say(3, "delta", &options.adapt_delta);
    say(2, "algorithm", &"hmc (Default)");
    say(4, "engine", &"nuts (Default)");
    say(6, "max_depth", &options.max_depth);
    // CmdStan knows no low-rank metric and no whitened coordinates, and its readers want a dense metric's elements.
    // Step sizes are those of coordinates in which the metric is the unit.
    say(4, "metric", &if chain.inverse_metric.is_some() { "diag_e" } else { "unit_e" });
    say(0, "id", &(index + 1));
    say(0, "seed", &options.seed);
    lines
}

/// What the warm-up arrived at.
fn adaptation(chain: &Chain) -> Vec<String> {
    let mut lines = vec!["Adaptation terminated".to_owned(), format!("Step size = {}", chain.step_size)];
    if let Some(metric) = &chain.inverse_metric {
        let metric: Vec<String> = metric.iter().map(|&element| Number(element).to_string()).collect();
        lines.push("Diagonal elements of inverse mass matrix:".to_owned());
        lines.push(metric.join(", "));
    }
    lines
}

/// A name in the style of CmdStan's columns: `theta[1,2]` is `theta.1.2`.
fn dotted(name: &str) -> String {
    name.chars().filter(|&c| c != ']').map(|c| if matches!(c, '[' | ',') { '.' } else { c }).collect()
}

/// A number that reads back to the same bits, integers without a decimal point.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(value) = *self;
        match value {
            value if value.is_nan() => formatter.write_str("nan"),
            value if value.fract() == 0.0 && value.abs() < 1e15 => write!(formatter, "{value}"),
            value => write!(formatter, "{value:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::stan_name;
    use ndarray::array;
    use std::time::Duration;

    #[test]
    fn names_are_dotted_and_come_back() {
        for (name, column) in [("mu", "mu"), ("Sigma[2,13]", "Sigma.2.13"), ("pair[2]:1[3]", "pair.2:1.3")] {
            assert_eq!(dotted(name), column);
            assert_eq!(stan_name(column), name);
        }
    }

    #[test]
    fn numbers_read_back_to_the_last_bit() {
        for value in [0.1, -2.5e-300, 1e300, 7.0, -0.0, 123456789.25, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Number(value).to_string().parse::<f64>().unwrap().to_bits(), value.to_bits(), "{value}");
        }
        assert_eq!(Number(7.0).to_string(), "7");
        assert_eq!(Number(f64::NAN).to_string(), "nan");
        assert_eq!(Number(1e-9).to_string(), "1e-9");
    }

    #[test]
    fn a_chain_has_the_lines_that_readers_look_for() {
        let transition = crate::sample::Transition {
            log_density: -3.5,
            acceptance: 0.75,
            step_size: 0.5,
            depth: 2,
            leapfrogs: 3,
            divergent: false,
            energy: 4.25,
        };
        let chain = Chain {
            draws: array![[0.0], [1.0]],
            transitions: vec![transition.clone(), crate::sample::Transition { divergent: true, ..transition }],
            divergences: 1,
            depth_limited: 0,
            efmi: 1.0,
            step_size: 0.5,
            inverse_metric: Some(vec![2.0]),
            warmup_gradient_evaluations: 10,
            gradient_evaluations: 6,
            warmup_time: Duration::from_millis(1500),
            time: Duration::from_millis(500),
        };
        let options = NutsOptions { draws: 2, thin: 3, warmup: 100, seed: 9, ..NutsOptions::default() };
        let csv = CmdstanCsv::nuts("line", "2.35.0", &options, 1, &chain);
        let text = csv.text(&["a".into(), "b[1]".into()], array![[1.0, 2.5], [-1.0, 1e-7]].view());
        insta::assert_snapshot!(text);
    }
}
