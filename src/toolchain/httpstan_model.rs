//! From a program to a library with the default toolchain: stanc translates it, the compiler compiles and links it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::bridge::EXPORTS;
use super::build_artifacts::Shared;
use super::flags::LINK;
use super::httpstan::Httpstan;
use super::options::{CompileOptions, CompileProgress};
use super::process::{self, LongOptions};
use super::{Compiler, Program, ToolchainError, stanc};

impl Httpstan {
    /// Makes `model.so` in `folder`.
    pub(super) fn build(
        &self,
        program: &Program,
        options: &CompileOptions,
        compiler: &Compiler,
        folder: &Path,
        progress: &dyn Fn(CompileProgress<'_>),
    ) -> Result<(), ToolchainError> {
        self.translate(program, folder, progress)?;
        let shared = Shared::new(self, options, compiler);
        let bridge = shared.bridge(progress)?;
        progress(CompileProgress::Compiling(program.name()));
        let mut arguments = vec![format!("-I{}", shared.precompiled_folder().display())];
        arguments.extend(self.compile_arguments(options));
        arguments.extend(["-x", "c++", "-c", "model.hpp", "-o", "model.o"].map(str::to_owned));
        compiler.run(folder, program.shown(), arguments)?;
        let exports = bridge.with_file_name(EXPORTS).display().to_string();
        let library_folder = self.folder().join("lib").display().to_string();
        let mut arguments: Vec<String> = ["-shared", "-o", "model.so", "model.o"].map(str::to_owned).into();
        arguments.extend([bridge.display().to_string(), format!("-L{library_folder}")]);
        // A comma would end the linker's option; Xlinker takes its argument whole.
        arguments.extend(["-Xlinker", "-version-script", "-Xlinker", &exports].map(str::to_owned));
        arguments.extend(LINK.map(str::to_owned));
        arguments.extend(["-Xlinker", "-rpath", "-Xlinker", &library_folder].map(str::to_owned));
        compiler.run(folder, program.shown(), arguments)
    }

    /// Translates `program` to `model.hpp` in `folder`.
    fn translate(
        &self,
        program: &Program,
        folder: &Path,
        progress: &dyn Fn(CompileProgress<'_>),
    ) -> Result<(), ToolchainError> {
        fs::write(folder.join("model.stan"), program.source())
            .map_err(|error| ToolchainError::writing(folder, error))?;
        let translator = self.stanc();
        let mut command = Command::new(&translator);
        command.flag("O1").option("o", "model.hpp").current_dir(folder);
        command.option("name", stanc::class_name(program)).option("filename-in-msg", stanc::file_name(program));
        if !program.include_directories().is_empty() {
            command.option("include-paths", stanc::include_paths(program)?);
        }
        let output = process::run(command.arg("model.stan")).map_err(|error| {
            ToolchainError::running(
                &translator.display().to_string(),
                "installing httpstan again puts it in its place",
                error,
            )
        })?;
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if !output.status.success() {
            return Err(ToolchainError::Invalid { program: program.shown().to_owned(), message });
        }
        if !message.is_empty() {
            progress(CompileProgress::Warning(&message));
        }
        Ok(())
    }
}
