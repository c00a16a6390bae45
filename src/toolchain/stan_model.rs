//! A Stan program with its data, through BridgeStan.

use crate::draws::stan_name;
use crate::model::{EvaluationError, Generator, Model, Target};
use bridgestan::{BridgeStanError, StanLibrary, open_library};
use std::ffi::{CString, c_char};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Why a compiled Stan program could not be used.
#[derive(Debug, Error)]
pub enum StanError {
    /// The shared library could not be loaded.
    #[error("the compiled model {path} could not be loaded: {source}")]
    Load {
        /// The shared library.
        path: PathBuf,
        /// What the loader said.
        source: BridgeStanError,
    },
    /// The program rejected its data, in Stan's words, which name the variable.
    #[error("the data do not fit the program: {0}")]
    Data(String),
    /// The data hold a NUL byte.
    #[error("the data hold a NUL byte, which JSON does not allow")]
    Nul,
    /// Values for the parameters could not be brought to the unconstrained scale.
    #[error("the initial values do not fit the program: {0}")]
    Unconstrain(String),
}

/// A Stan program's posterior on the unconstrained scale, with constants and Jacobian terms kept.
pub struct StanModel {
    model: bridgestan::Model<Arc<StanLibrary>>,
    dim: usize,
    names: Vec<String>,
    parameters: usize,
    with_transformed: usize,
    has_second_derivatives: bool,
}

/// A Stan program with a random number generator of Stan's for its generated quantities.
struct StanGenerator<'a> {
    model: &'a StanModel,
    rng: bridgestan::Rng<Arc<StanLibrary>>,
}

/// What a Stan program prints goes to stderr: stdout holds results.
extern "C" fn print_to_stderr(data: *const c_char, size: usize) {
    if data.is_null() {
        return;
    }
    // SAFETY: BridgeStan hands over `size` bytes that live for the length of this call.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
    // Nothing can be done about a closed stderr, and a callback must not panic.
    let _ = std::io::stderr().write_all(bytes);
}

impl StanModel {
    /// Loads the shared library at `path` and gives it `data`, a JSON document (empty for none). `seed` is for random
    /// numbers in the program's `transformed data`.
    pub fn load(path: &Path, data: &str, seed: u32) -> Result<Self, StanError> {
        let mut library = open_library(path).map_err(|source| StanError::Load { path: path.to_owned(), source })?;
        // SAFETY: the callback never panics.
        unsafe { library.set_print_callback(print_to_stderr) }
            .map_err(|source| StanError::Load { path: path.to_owned(), source })?;
        let data = CString::new(data).map_err(|_| StanError::Nul)?;
        let model = bridgestan::Model::new(Arc::new(library), Some(data), seed)
            .map_err(|error| StanError::Data(words(error)))?;
        let names = |tp, gq| -> Vec<String> {
            model.param_names(tp, gq).split(',').filter(|name| !name.is_empty()).map(stan_name).collect()
        };
        let (parameters, with_transformed) = (names(false, false).len(), names(true, false).len());
        // As BridgeStan says it of any library with its interface.
        let has_second_derivatives = model.info().to_string_lossy().contains("BRIDGESTAN_AD_HESSIAN=true");
        let names = names(true, true);
        Ok(Self { dim: model.param_unc_num(), names, parameters, with_transformed, has_second_derivatives, model })
    }

    /// The program's name.
    pub fn model_name(&self) -> &str {
        self.model.name().unwrap_or("unnamed")
    }

    /// Parameters, and transformed parameters where asked for, at the unconstrained `x`, written to `out`.
    fn constrained(&self, x: &[f64], transformed: bool, out: &mut [f64]) -> Result<(), EvaluationError> {
        self.model
            .param_constrain(x, transformed, false, out, None::<&mut bridgestan::Rng<Arc<StanLibrary>>>)
            .map_err(|error| EvaluationError::Program(words(error)))
    }

    /// The unconstrained point of parameter values in CmdStan's JSON format.
    pub fn unconstrain_json(&self, json: &str) -> Result<Vec<f64>, StanError> {
        let json = CString::new(json).map_err(|_| StanError::Nul)?;
        let mut x = vec![0.0; self.dim];
        self.model.param_unconstrain_json(json, &mut x).map_err(|error| StanError::Unconstrain(words(error)))?;
        Ok(x)
    }
}

/// Stan's words without the crate's own preface.
fn words(error: BridgeStanError) -> String {
    match error {
        BridgeStanError::ConstructFailed(message) | BridgeStanError::EvaluationFailed(message) => {
            message.trim().to_owned()
        }
        other => other.to_string(),
    }
}

impl Model for StanModel {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn parameter_count(&self) -> usize {
        self.parameters
    }

    fn transformed_parameter_count(&self) -> usize {
        self.with_transformed
    }

    fn unconstrained_names(&self) -> Vec<String> {
        self.model.param_unc_names().split(',').filter(|name| !name.is_empty()).map(stan_name).collect()
    }

    fn constrain_parameters(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.constrained(x, false, out)
    }

    fn constrain_transformed(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.constrained(x, true, out)
    }

    fn generator(&self, seed: u32) -> Result<Box<dyn Generator + '_>, EvaluationError> {
        let rng = bridgestan::Rng::new(self.model.clone_library_ref(), seed)
            .map_err(|error| EvaluationError::Program(words(error)))?;
        Ok(Box::new(StanGenerator { model: self, rng }))
    }

    fn unconstrain(&self, parameters: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        let mut x = vec![0.0; self.dim];
        let unconstrained = self.model.param_unconstrain(parameters, &mut x);
        unconstrained.map_err(|error| EvaluationError::Program(words(error)))?;
        Ok(x)
    }
}

impl Generator for StanGenerator<'_> {
    fn constrain(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        let constrained = self.model.model.param_constrain(x, true, true, out, Some(&mut self.rng));
        constrained.map_err(|error| EvaluationError::Program(words(error)))
    }
}

impl Target for StanModel {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        let value = self.model.log_density(x, false, true).map_err(|error| EvaluationError::Program(words(error)))?;
        if value.is_finite() { Ok(value) } else { Err(EvaluationError::NotFinite) }
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let value = self
            .model
            .log_density_gradient(x, false, true, score)
            .map_err(|error| EvaluationError::Program(words(error)))?;
        if value.is_finite() && score.iter().all(|s| s.is_finite()) {
            Ok(value)
        } else {
            Err(EvaluationError::NotFinite)
        }
    }

    fn gradients_per_product(&self) -> u64 {
        if self.has_second_derivatives { 0 } else { 2 }
    }

    fn hessian_vector(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.model
            .log_density_hessian_vector_product(x, v, false, true, out)
            .map_err(|error| EvaluationError::Program(words(error)))?;
        if out.iter().all(|o| o.is_finite()) { Ok(()) } else { Err(EvaluationError::NotFinite) }
    }
}
