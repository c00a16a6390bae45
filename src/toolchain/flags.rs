//! What the C++ compiler and the linker are told for every model of the default toolchain.

use super::options::CompileOptions;

/// What every C++ file of a model is compiled with. `-w`: warnings in generated code help nobody.
const COMPILE: [&str; 12] = [
    "-std=c++17",
    "-O3",
    "-g0",
    "-fPIC",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
    "-w",
    "-D_REENTRANT",
    "-DSTAN_THREADS",
    "-DBOOST_DISABLE_ASSERTS",
    "-DEIGEN_MPL2_ONLY",
    "-DTBB_INTERFACE_NEW",
];

/// What Hessians by nested automatic differentiation take: Stan's virtual functions for that type, and our use of them.
const AD_HESSIAN: [&str; 2] = ["-DSTAN_MODEL_FVAR_VAR", "-DBRIDGESTAN_AD_HESSIAN"];

/// `--no-undefined`: what a library lacks shows when it is linked, not when it is loaded.
pub(super) const LINK: [&str; 7] = [
    "-s",
    "-lsundials_cvodes",
    "-lsundials_idas",
    "-lsundials_kinsol",
    "-lsundials_nvecserial",
    "-ltbb",
    "-Wl,--no-undefined",
];

/// The flags that decide what code the compiler makes.
pub(super) fn compile_flags(options: &CompileOptions) -> impl Iterator<Item = &'static str> {
    let hessian: &[&str] = if options.ad_hessian { &AD_HESSIAN } else { &[] };
    COMPILE.iter().chain(hessian).copied()
}
