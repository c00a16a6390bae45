//! toolchain

mod program;

pub use program::Program;
