//! What all models of a toolchain share and the compiler makes once: the bridge and, on request, compiled headers.

use std::fs;
use std::path::{Path, PathBuf};

use super::flags::compile_flags;
use super::httpstan::Httpstan;
use super::options::{CompileOptions, CompileProgress};
use super::{Compiler, ToolchainError, bridge, cache};
use crate::files::Unfinished;

/// The header that every translated program begins with.
const MODEL_HEADER: &str = "stan/model/model_header.hpp";

/// The shared files of one toolchain, compiler and set of flags, in a folder of their own.
pub(super) struct Shared<'a> {
    httpstan: &'a Httpstan,
    options: &'a CompileOptions,
    compiler: &'a Compiler,
    folder: PathBuf,
}

impl<'a> Shared<'a> {
    pub(super) fn new(httpstan: &'a Httpstan, options: &'a CompileOptions, compiler: &'a Compiler) -> Self {
        let toolchain = httpstan.fingerprint(options);
        let key = cache::hash([("compiler", compiler.fingerprint().as_str()), ("toolchain", &toolchain)]);
        Self { httpstan, options, compiler, folder: httpstan.folder().join("built").join(key) }
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bridge's object file, beside the list of its exported symbols: made when it is not there yet.
    pub(super) fn bridge(&self, progress: &dyn Fn(CompileProgress<'_>)) -> Result<PathBuf, ToolchainError> {
        let object = self.folder.join("bridge.o");
        self.make(&object, || {
            progress(CompileProgress::Bridge);
            let flags = compile_flags(self.options).collect::<Vec<_>>().join(" ");
            let build = self.build_folder()?;
            let failed = |error| ToolchainError::writing(build.path(), error);
            bridge::write(build.path()).map_err(failed)?;
            let mut arguments = self.httpstan.compile_arguments(self.options);
            arguments.push(format!("-DBRIDGE_COMPILE_FLAGS=\"{flags}\""));
            arguments.extend(["-c", bridge::MAIN, "-o", "bridge.o"].map(str::to_owned));
            self.compiler.run(build.path(), "the bridge to Stan", arguments)?;
            for name in [bridge::EXPORTS, "bridge.o"] {
                fs::rename(build.path().join(name), self.folder.join(name)).map_err(failed)?;
            }
            Ok(())
        })?;
        Ok(object)
    }

    /// The folder that the compiler searches for compiled headers. Without them it reads Stan's own: they may be
    /// deleted.
    pub(super) fn precompiled_folder(&self) -> PathBuf {
        self.folder.join("precompiled")
    }

    /// The compiled header.
    pub(super) fn precompiled_header(&self) -> PathBuf {
        self.precompiled_folder().join(format!("{MODEL_HEADER}.gch"))
    }

    /// Compiles Stan's headers.
    pub(super) fn precompile_headers(&self, progress: &dyn Fn(CompileProgress<'_>)) -> Result<(), ToolchainError> {
        let header = self.precompiled_header();
        self.make(&header, || {
            progress(CompileProgress::Headers);
            let build = self.build_folder()?;
            let source = self.httpstan.folder().join("include").join(MODEL_HEADER);
            let mut arguments = self.httpstan.compile_arguments(self.options);
            arguments
                .extend(["-x", "c++-header", &source.display().to_string(), "-o", "header.gch"].map(str::to_owned));
            self.compiler.run(build.path(), "Stan's headers", arguments)?;
            let made = fs::create_dir_all(header.parent().unwrap_or(&self.folder))
                .and_then(|()| fs::rename(build.path().join("header.gch"), &header));
            made.map_err(|error| ToolchainError::writing(&self.folder, error))
        })
    }

    /// Calls `make` under the lock of the folder, unless `file` is there.
    fn make(&self, file: &Path, make: impl FnOnce() -> Result<(), ToolchainError>) -> Result<(), ToolchainError> {
        if file.is_file() {
            return Ok(());
        }
        let _lock = cache::lock(&self.folder)?;
        if file.is_file() { Ok(()) } else { make() }
    }

    fn build_folder(&self) -> Result<Unfinished, ToolchainError> {
        Unfinished::folder(self.folder.join("build")).map_err(|error| ToolchainError::writing(&self.folder, error))
    }
}
