//! Progress of chains: a bar for each, with what tells early whether they go well.

use std::ops::ControlFlow;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use stanmatch::sample::ChainProgress;

use super::table;

/// Iterations between two messages: making one takes longer than an iteration of a small model.
const EVERY: usize = 50;

/// A bar on standard error for each chain; nothing in a pipe.
pub struct ChainBars(Vec<ProgressBar>);

impl ChainBars {
    /// Bars for so many chains.
    pub fn new(chains: usize) -> Self {
        let style = ProgressStyle::with_template("{prefix} {bar:15} {pos}/{len}  {msg}  {elapsed}");
        let style = style.expect("a valid template");
        let all = MultiProgress::new();
        let bar = |number: usize| {
            let bar = ProgressBar::no_length().with_style(style.clone());
            all.add(bar).with_prefix(format!("chain {number:2}"))
        };
        Self((1..=chains).map(bar).collect())
    }

    /// Shows where a chain is, and lets it continue.
    pub fn show(&self, progress: &ChainProgress) -> ControlFlow<()> {
        let Some(bar) = self.0.get(progress.chain) else { return ControlFlow::Continue(()) };
        if progress.iteration % EVERY == 1 {
            bar.set_length(progress.iterations as u64);
            bar.set_message(message(progress));
        }
        bar.set_position(progress.iteration as u64);
        ControlFlow::Continue(())
    }

    /// Removes the bars.
    pub fn finish(self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn message(progress: &ChainProgress) -> String {
    let phase = if progress.warming_up { "warm-up" } else { "sampling" };
    format!("{phase}, step size {}, {} divergences", table::number(progress.step_size), progress.divergences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_tells_its_phase_step_size_and_divergences() {
        let warming = ChainProgress {
            chain: 0,
            iteration: 51,
            iterations: 100,
            warming_up: true,
            divergences: 0,
            step_size: 0.5,
        };
        assert_eq!(message(&warming), "warm-up, step size 0.5000, 0 divergences");
        let sampling = ChainProgress { warming_up: false, divergences: 3, ..warming };
        assert_eq!(message(&sampling), "sampling, step size 0.5000, 3 divergences");
    }
}
