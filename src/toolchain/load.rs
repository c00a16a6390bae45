//! From a program with its data to a model: an instant one where it can be made, else a compiled one.

use thiserror::Error;

use super::stanli::{Refusal, Stanli};
use super::{
    Choice, CompileOptions, CompileProgress, Compiler, Description, Source, StanError, StanModel, Toolchain,
    ToolchainError,
};
use crate::program::Program;

/// A program with its data as a model.
#[derive(Debug)]
pub struct Loaded {
    /// The model.
    pub model: StanModel,
    /// What made it.
    pub toolchain: Description,
}

/// Why a program with its data could not become a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelLoadError {
    /// The toolchain, or the program, does not serve.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The data do not fit the program, or its library cannot be loaded.
    #[error(transparent)]
    Stan(#[from] StanError),
    /// No instant model can be made, and no other was asked for.
    #[error("{program} has no instant model ({reason}); it has to be compiled")]
    NotInstant {
        /// The program as the user named it.
        program: String,
        /// What was said, such as the function that instant models lack.
        reason: String,
    },
    /// No instant model can be made, and nothing can be compiled.
    #[error("{program} has no instant model ({reason}), and cannot be compiled")]
    NoModel {
        /// The program as the user named it.
        program: String,
        /// What was said, such as the function that instant models lack.
        reason: String,
        /// Why nothing can be compiled.
        source: ToolchainError,
    },
}

impl Choice {
    /// Makes `program` with `data`, a JSON document (empty for none), a model. [`Choice::Auto`] compiles what has no
    /// instant model, after [`CompileProgress::NotInstant`]. `seed` is for random numbers in the program's `transformed data`.
    ///
    /// # Errors
    /// When the program is not valid, the data do not fit, or the toolchain does not serve.
    pub fn load(
        &self,
        program: &Program,
        data: &str,
        seed: u32,
        progress: &dyn Fn(CompileProgress<'_>),
    ) -> Result<Loaded, ModelLoadError> {
        let stanli = match self.instant() {
            Some(Ok(stanli)) => stanli,
            Some(Err(error)) if *self == Self::Stanli => return Err(error.into()),
            missing => {
                let toolchain = match (Toolchain::find(self), missing) {
                    (Ok(toolchain), _) => toolchain,
                    // Instant models are the less to install.
                    (Err(ToolchainError::Missing { .. } | ToolchainError::Platform { .. }), Some(Err(missing))) => {
                        return Err(missing.into());
                    }
                    (Err(error), _) => return Err(error.into()),
                };
                return compiled(&toolchain, program, data, seed, progress);
            }
        };
        let (reason, broken) = match stanli.model(program, data, seed) {
            Ok(model) => return Ok(Loaded { model, toolchain: Description::of_stanli(&stanli) }),
            Err(Refusal::Program(error)) => return Err(error.into()),
            Err(Refusal::Data(error)) => return Err(error.into()),
            Err(Refusal::Library(error)) => (error.to_string(), Some(error)),
            Err(Refusal::Unable(reason)) => (reason, None),
        };
        let name = || program.shown().to_owned();
        if *self == Self::Stanli {
            return Err(broken.map_or_else(|| ModelLoadError::NotInstant { program: name(), reason }, Into::into));
        }
        match (Toolchain::find(self), broken) {
            (Ok(toolchain), _) => {
                progress(CompileProgress::NotInstant { program: program.shown(), reason: &reason });
                compiled(&toolchain, program, data, seed, progress)
            }
            // It is installed already, and the less to mend.
            (Err(_), Some(broken)) => Err(broken.into()),
            (Err(source), None) => Err(ModelLoadError::NoModel { program: name(), reason, source }),
        }
    }

    /// Whether [`load`](Self::load) makes instant models where it can.
    pub fn is_instant(&self) -> bool {
        *self == Self::Stanli || self.instant().is_some_and(|it| it.is_ok_and(|stanli| stanli.check().is_ok()))
    }

    /// What makes the models of this choice, where it is installed: the instant toolchain before one that compiles,
    /// whose C++ compiler may be lacking.
    pub fn description(&self) -> Option<Description> {
        match self.instant() {
            Some(Ok(stanli)) if self.is_instant() => Some(Description::of_stanli(&stanli)),
            _ => Some(Source::find(self).ok()?.description(Compiler::find().ok().as_ref())),
        }
    }

    /// Whether instant models may be made.
    pub(super) fn allows_instant(&self) -> bool {
        *self == Self::Stanli || (*self == Self::Auto && super::given_bridgestan().is_none())
    }

    /// The instant toolchain, where this choice allows for one.
    fn instant(&self) -> Option<Result<Stanli, ToolchainError>> {
        self.allows_instant().then(Stanli::find)
    }
}

/// Compiles `program`, or finds it in the cache, and gives it `data`.
fn compiled(
    toolchain: &Toolchain,
    program: &Program,
    data: &str,
    seed: u32,
    progress: &dyn Fn(CompileProgress<'_>),
) -> Result<Loaded, ModelLoadError> {
    let compiled = toolchain.compile(program, &CompileOptions::default(), progress)?;
    Ok(Loaded { model: StanModel::load(&compiled.library, data, seed)?, toolchain: toolchain.description() })
}
