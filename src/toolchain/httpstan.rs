//! The default toolchain: Stan as the PyPI package httpstan carries it, with our bridge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bridge::{self, EXPORTS};
use super::build_artifacts::Shared;
use super::compile::{CompileOptions, Progress};
use super::{Compiler, Program, ToolchainError, cache, process};

/// The version of the package, the only one whose checksum we know.
pub(super) const VERSION: &str = "4.13.0";

/// The version of Stan, Stan Math and stanc in the package.
pub(super) const STAN_VERSION: &str = "2.35.0";

/// Written last by an installation, so that a folder that holds it is whole.
pub(super) const MARKER: &str = "toolchain.json";

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
const LINK: [&str; 7] = [
    "-s",
    "-lsundials_cvodes",
    "-lsundials_idas",
    "-lsundials_kinsol",
    "-lsundials_nvecserial",
    "-ltbb",
    "-Wl,--no-undefined",
];

/// The installed package.
#[derive(Debug, Clone)]
pub(super) struct Httpstan {
    folder: PathBuf,
}

impl Httpstan {
    /// Where the package is installed, or would be.
    pub(super) fn home() -> Result<PathBuf, ToolchainError> {
        Ok(cache::cache_directory()?.join("toolchains").join(format!("httpstan-{VERSION}")))
    }

    /// Requires the platform that the package's wheel is for.
    pub(super) fn check_platform() -> Result<(), ToolchainError> {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Ok(());
        }
        let platform = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        Err(ToolchainError::Platform { platform })
    }

    /// The installed package.
    pub(super) fn find() -> Result<Self, ToolchainError> {
        Self::check_platform()?;
        let folder = Self::home()?;
        if !folder.join(MARKER).is_file() {
            return Err(ToolchainError::Missing { wanted: "Stan toolchain", remedy: "stanmatch toolchain install" });
        }
        // The folder's own name enters the libraries, which look there for TBB.
        let folder = folder.canonicalize().map_err(|error| ToolchainError::writing(&folder, error))?;
        Ok(Self { folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn stanc(&self) -> PathBuf {
        self.folder.join("stanc")
    }

    /// All that decides how a program becomes a library, except the program and the compiler.
    pub(super) fn fingerprint(&self, options: &CompileOptions) -> String {
        let mut lines = vec![STAN_VERSION.to_owned(), self.folder.display().to_string()];
        lines.extend(compile_flags(options).map(str::to_owned));
        lines.extend(LINK.map(str::to_owned));
        lines.extend(bridge::SOURCES.iter().map(|(name, text)| format!("{name}\n{text}")));
        lines.join("\n")
    }

    /// Makes `model.so` in `folder`.
    pub(super) fn build(
        &self,
        program: &Program,
        options: &CompileOptions,
        compiler: &Compiler,
        folder: &Path,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<(), ToolchainError> {
        self.translate(program, folder, progress)?;
        let shared = Shared::new(self, options, compiler);
        let bridge = shared.bridge(progress)?;
        progress(Progress::Compiling(program.name()));
        let mut arguments = vec![format!("-I{}", shared.precompiled_folder().display())];
        arguments.extend(self.compile_arguments(options));
        arguments.extend(["-x", "c++", "-c", "model.hpp", "-o", "model.o"].map(str::to_owned));
        compiler.run(folder, program.shown(), arguments)?;
        let exports = bridge.with_file_name(EXPORTS).display().to_string();
        let library_folder = self.folder.join("lib").display().to_string();
        let mut arguments: Vec<String> = ["-shared", "-o", "model.so", "model.o"].map(str::to_owned).into();
        arguments.extend([bridge.display().to_string(), format!("-L{library_folder}")]);
        // A comma would end the linker's option; Xlinker takes its argument whole.
        arguments.extend(["-Xlinker", "--version-script", "-Xlinker", &exports].map(str::to_owned));
        arguments.extend(LINK.map(str::to_owned));
        arguments.extend(["-Xlinker", "-rpath", "-Xlinker", &library_folder].map(str::to_owned));
        compiler.run(folder, program.shown(), arguments)
    }

    /// Translates `program` to `model.hpp` in `folder`.
    fn translate(
        &self,
        program: &Program,
        folder: &Path,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<(), ToolchainError> {
        fs::write(folder.join("model.stan"), program.source())
            .map_err(|error| ToolchainError::writing(folder, error))?;
        let stanc = self.stanc();
        let mut command = Command::new(&stanc);
        command.args(["--O1", "--o=model.hpp"]).current_dir(folder);
        command.arg(format!("--name={}", program.class_name()));
        command.arg(format!("--filename-in-msg={}", program.file_name()));
        if !program.include_directories().is_empty() {
            command.arg(format!("--include-paths={}", program.include_paths()?));
        }
        let output = process::run(command.arg("model.stan")).map_err(|error| {
            ToolchainError::running(
                &stanc.display().to_string(),
                "`stanmatch toolchain install` puts it in its place again",
                error,
            )
        })?;
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if !output.status.success() {
            return Err(ToolchainError::Invalid { program: program.shown().to_owned(), message });
        }
        if !message.is_empty() {
            progress(Progress::Warning(&message));
        }
        Ok(())
    }

    /// What every compilation begins with: flags and include folders.
    pub(super) fn compile_arguments(&self, options: &CompileOptions) -> Vec<String> {
        let include = format!("-I{}", self.folder.join("include").display());
        compile_flags(options).map(str::to_owned).chain([include]).collect()
    }
}

/// The flags that decide what code the compiler makes.
pub(super) fn compile_flags(options: &CompileOptions) -> impl Iterator<Item = &'static str> {
    let hessian: &[&str] = if options.ad_hessian { &AD_HESSIAN } else { &[] };
    COMPILE.iter().chain(hessian).copied()
}
