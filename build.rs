//! Has the crate compiled anew when a file of the embedded database or a program changes, appears or goes: the compiler
//! itself only sees those that were there before.

fn main() {
    println!("cargo::rerun-if-changed=posteriordb");
    println!("cargo::rerun-if-changed=stan_models");
}
