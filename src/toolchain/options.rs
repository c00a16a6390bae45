//! How programs are compiled, and what is said of it meanwhile.

/// How to compile a program.
#[derive(Debug, Clone, Default)]
pub struct CompileOptions {
    /// Hessians by nested automatic differentiation instead of finite differences of gradients. Not every function of
    /// Stan has it, and compilation takes about twice as long.
    pub ad_hessian: bool,
    /// Compile even when the cache holds the model.
    pub force: bool,
}

/// What an installation or a compilation is about to do, for a progress line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileProgress<'a> {
    /// This package is being fetched.
    Downloading(&'a str),
    /// This package is being unpacked.
    Unpacking(&'a str),
    /// The bridge to Stan is being compiled, which happens once per toolchain.
    Bridge,
    /// Stan's headers are being compiled, which happens once per toolchain where it is asked for.
    Headers,
    /// This program is being compiled.
    Compiling(&'a str),
    /// The translator has something to say about a valid program.
    Warning(&'a str),
    /// This program is compiled because it has no instant model.
    NotInstant {
        /// The program as the user named it.
        program: &'a str,
        /// What was said, such as the function that instant models lack.
        reason: &'a str,
    },
}
