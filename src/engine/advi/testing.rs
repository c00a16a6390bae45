//! What the tests of ADVI share.

use crate::engine::{DriverOptions, Engine, LearningRate, Schedule, TraceRow, run};
use crate::model::{CountingTarget, Target};
use crate::random::stream;
use std::ops::ControlFlow;

/// Where `engine` arrives after a long run, with a learning rate that falls to zero.
pub fn ascended<E: Engine, T: Target>(mut engine: E, target: &T) -> E::Approximation {
    let iterations = 3000;
    let options = DriverOptions {
        max_iterations: iterations,
        window: iterations,
        learning_rate: LearningRate { initial: Some(0.05), schedule: Schedule::Cosine },
        ..DriverOptions::default()
    };
    let mut observe = |_: &TraceRow| ControlFlow::Continue(());
    run(&mut engine, &CountingTarget::new(target), &options, &mut stream(1, 0), &mut observe).unwrap().approximation
}
