//! Who watches a fit may cancel it.

use crate::engine::TraceRow;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Sees a fit as it runs, and may cancel it by breaking: the fit then ends soon with
/// [`FitError::Cancelled`](super::FitError::Cancelled). The default does neither, as does `()`. Methods may be called from
/// several threads.
pub trait Observer: Sync {
    /// A phase begins.
    fn phase(&self, _name: &'static str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// The engine made an iteration.
    fn iteration(&self, _row: &TraceRow) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// A chain, or all short chains, made a transition.
    fn transition(&self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Observer for () {}

/// An observer that remembers that it cancelled the fit: once it did, each answer is to stop.
pub struct Watch<'a> {
    observer: &'a dyn Observer,
    is_cancelled: AtomicBool,
}

impl<'a> Watch<'a> {
    /// Passes on what happens to `observer`.
    pub fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, is_cancelled: AtomicBool::new(false) }
    }

    /// A phase begins.
    pub fn phase(&self, name: &'static str) -> ControlFlow<()> {
        self.unless_cancelled(|| self.observer.phase(name))
    }

    /// The engine made an iteration.
    pub fn iteration(&self, row: &TraceRow) -> ControlFlow<()> {
        self.unless_cancelled(|| self.observer.iteration(row))
    }

    /// A chain, or all short chains, made a transition.
    pub fn transition(&self) -> ControlFlow<()> {
        self.unless_cancelled(|| self.observer.transition())
    }

    /// Whether the fit is to end.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    fn unless_cancelled(&self, ask: impl FnOnce() -> ControlFlow<()>) -> ControlFlow<()> {
        if !self.is_cancelled() && ask().is_continue() {
            return ControlFlow::Continue(());
        }
        self.is_cancelled.store(true, Ordering::Relaxed);
        ControlFlow::Break(())
    }
}
