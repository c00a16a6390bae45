//! What each part of a fit cost.

use super::observer::Watch;
use crate::model::{CountingTarget, Counts, Model};
use std::time::Instant;

/// One part of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its name: the init's, the engine's or the method's, or `grid`, `modes`, `coordinates`, `psis`, `probe`, `nuts` or
    /// `draws`.
    pub name: &'static str,
    /// Evaluations of the target.
    pub counts: Counts,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Runs the parts of a fit and keeps their costs.
pub struct Phases<'a> {
    target: &'a CountingTarget<&'a dyn Model>,
    watch: &'a Watch<'a>,
    done: Vec<Phase>,
}

impl<'a> Phases<'a> {
    /// Counts the evaluations of `target`, and tells `watch` of each part.
    pub fn new(target: &'a CountingTarget<&'a dyn Model>, watch: &'a Watch<'a>) -> Self {
        Self { target, watch, done: Vec::new() }
    }

    /// Runs one part, also of a cancelled fit, whose parts end by themselves. What follows a part of the same name
    /// belongs to it.
    pub fn run<R>(&mut self, name: &'static str, part: impl FnOnce() -> R) -> R {
        let _ = self.watch.phase(name);
        let (before, began) = (self.target.counts(), Instant::now());
        let result = part();
        let counts = self.target.counts() - before;
        let seconds = began.elapsed().as_secs_f64();
        match self.done.last_mut().filter(|last| last.name == name) {
            Some(last) => {
                last.counts = last.counts + counts;
                last.seconds += seconds;
            }
            None => self.done.push(Phase { name, counts, seconds }),
        }
        result
    }

    /// The parts in order.
    pub fn finish(self) -> Vec<Phase> {
        self.done
    }
}
