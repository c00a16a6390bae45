//! The examples for newcomers, each run as a whole.

#[path = "../examples/custom_density.rs"]
mod custom_density;
#[path = "../examples/custom_engine.rs"]
mod custom_engine;
#[cfg(all(feature = "toolchain", feature = "embedded-posteriors"))]
#[path = "../examples/quickstart.rs"]
mod quickstart;

#[test]
fn a_density_of_ones_own_is_fitted() {
    custom_density::main().unwrap();
}

#[test]
fn an_engine_of_ones_own_is_run() {
    custom_engine::main().unwrap();
}

#[test]
#[cfg(all(feature = "toolchain", feature = "embedded-posteriors"))]
fn a_posterior_of_the_database_is_fitted() {
    quickstart::main().unwrap();
}
