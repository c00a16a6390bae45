//! The programs of tests/bridge, and what the Python package bridgestan computes with them.

#![allow(dead_code, reason = "each test crate reads what it needs")]

use std::path::Path;

use serde::Deserialize;
use stanmatch::program::Program;

/// A program's model at some points. tests/python/bridge.py writes them.
#[derive(Deserialize)]
pub struct Case {
    pub program: String,
    pub data: serde_json::Value,
    /// Parameters, transformed parameters and generated quantities.
    pub names: Vec<String>,
    /// How many parameters there are.
    pub num: usize,
    pub unconstrained_names: Vec<String>,
    /// The vector of the Hessian-vector products.
    pub direction: Vec<f64>,
    pub evaluations: Vec<Evaluation>,
    /// At the second point, with `propto` and `jacobian`.
    pub hessian: Vec<Vec<f64>>,
}

/// What a model computes at a point, with or without constant terms and the logarithm of the Jacobian determinant.
#[derive(Deserialize)]
pub struct Evaluation {
    pub propto: bool,
    pub jacobian: bool,
    pub theta_unc: Vec<f64>,
    pub constrained: Vec<f64>,
    pub log_density: f64,
    pub gradient: Vec<f64>,
    pub hessian_vector_product: Vec<f64>,
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let fixture = std::fs::read(repository().join("tests/fixtures/bridge.json")).unwrap();
    serde_json::from_slice(&fixture).unwrap()
}

/// A program of tests/bridge.
pub fn program(name: &str) -> Program {
    Program::file(repository().join(format!("tests/bridge/{name}.stan"))).unwrap()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Requires that numbers agree, relative to their size and 1.
#[track_caller]
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * (1.0 + e.abs()), "{found:?} is not {expected:?}");
    }
}
