//! A Stan program with its data, through BridgeStan.

use crate::draws::stan_name;
use crate::model::{EvaluationError, Generator, Model, Target, difference_of_scores};
use bridgestan::{BridgeStanError, Rng, StanLibrary, open_library};
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{CString, c_char};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use thiserror::Error;

/// Why a Stan program could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StanError {
    /// The shared library could not be loaded.
    #[error("the library {} could not be loaded: {message}", path.display())]
    Load {
        /// The shared library.
        path: PathBuf,
        /// What the loader said.
        message: String,
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

impl StanError {
    /// What the library at `path` is not fit for, and what helps.
    fn of_library(path: &Path, error: &BridgeStanError) -> Self {
        let message = match error {
            BridgeStanError::StanThreads(_) => {
                "it was compiled without threads; compile it with STAN_THREADS=true".to_owned()
            }
            BridgeStanError::BadLibraryVersion(found, expected) => {
                format!("it has the interface of BridgeStan {found}; compile it with BridgeStan {expected}")
            }
            other => other.to_string(),
        };
        Self::Load { path: path.to_owned(), message }
    }

    /// Why the library at `path` gave no model.
    fn of_construction(path: &Path, error: BridgeStanError) -> Self {
        match error {
            BridgeStanError::ConstructFailed(_) => Self::Data(words(error)),
            other => Self::of_library(path, &other),
        }
    }
}

type Handle = bridgestan::Model<Arc<StanLibrary>>;

/// A Stan program's posterior on the unconstrained scale, with Jacobian terms kept, and with constants where
/// [`is_normalized`](Model::is_normalized) says so.
pub struct StanModel {
    model: Handle,
    dim: usize,
    names: Vec<String>,
    parameters: usize,
    with_transformed: usize,
    kind: Kind,
}

/// What a model can do.
enum Kind {
    /// All of BridgeStan's interface.
    Compiled { has_second_derivatives: bool },
    /// Densities without their constants and gradients, no second derivatives.
    Instant(Option<Plain>),
}

/// The same program without its generated quantities, made when it is first needed. An instant model computes generated
/// quantities whenever it constrains a point, and gives no parameters where the program rejects them.
struct Plain {
    model: OnceLock<Option<Handle>>,
    /// Taken when it is called: it holds a copy of the data.
    make: Mutex<Option<MakePlain>>,
}

type MakePlain = Box<dyn FnOnce() -> Option<StanModel> + Send>;

impl Plain {
    fn made(&self) -> Option<&Handle> {
        let make = || self.make.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.model.get_or_init(|| make()?().map(|made| made.model)).as_ref()
    }
}

/// A Stan program with a random number generator of Stan's for its generated quantities.
struct StanGenerator<'a> {
    model: &'a StanModel,
    rng: Rng<Arc<StanLibrary>>,
}

thread_local! {
    /// What a program printed on this thread, where [`keep_prints`] keeps it.
    static KEPT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// What `work` returns, and what Stan programs print on this thread in the meantime.
pub(super) fn keep_prints<T>(work: impl FnOnce() -> T) -> (T, String) {
    KEPT.set(Some(Vec::new()));
    let result = work();
    let printed = KEPT.take().unwrap_or_default();
    (result, String::from_utf8_lossy(&printed).into_owned())
}

/// What a Stan program prints goes to stderr, as stdout holds results, unless [`keep_prints`] keeps it.
extern "C" fn print_to_stderr(data: *const c_char, size: usize) {
    if data.is_null() {
        return;
    }
    // SAFETY: BridgeStan hands over `size` bytes that live for the length of this call.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
    // A callback must not panic, as it could at the end of a thread.
    let is_kept = KEPT.try_with(|kept| match kept.try_borrow_mut().as_deref_mut() {
        Ok(Some(kept)) => {
            kept.extend_from_slice(bytes);
            true
        }
        _ => false,
    });
    if !is_kept.unwrap_or(false) {
        // Nothing can be done about a closed stderr.
        let _ = std::io::stderr().write_all(bytes);
    }
}

impl fmt::Debug for StanModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, is_instant) = (self.model_name(), self.is_up_to_constant());
        let mut shown = formatter.debug_struct("StanModel");
        shown.field("name", &name).field("dim", &self.dim).field("is_instant", &is_instant).finish_non_exhaustive()
    }
}

impl StanModel {
    /// Loads the shared library of a compiled program at `path` and gives it `data`, a JSON document (empty for none).
    /// `seed` is for random numbers in the program's `transformed data`.
    pub fn load(path: &Path, data: &str, seed: u32) -> Result<Self, StanError> {
        // As for an instant model: BridgeStan would take a blank for the name of a file.
        let data = if data.trim().is_empty() { "" } else { data };
        Self::constructed(path, data.to_owned(), seed, false)
    }

    /// A model of the library at `path` that holds no program, which is in the `data`.
    pub(super) fn instant(path: &Path, data: String, seed: u32) -> Result<Self, StanError> {
        Self::constructed(path, data, seed, true)
    }

    fn constructed(path: &Path, data: String, seed: u32, is_instant: bool) -> Result<Self, StanError> {
        let failed = |error| StanError::of_library(path, &error);
        let mut library = open_library(path).map_err(failed)?;
        // SAFETY: the callback never panics.
        unsafe { library.set_print_callback(print_to_stderr) }.map_err(failed)?;
        let data = CString::new(data).map_err(|_| StanError::Nul)?;
        let model = Handle::new(Arc::new(library), Some(data), seed);
        let model = model.map_err(|error| StanError::of_construction(path, error))?;
        let names = |tp, gq| -> Vec<String> {
            model.param_names(tp, gq).split(',').filter(|name| !name.is_empty()).map(stan_name).collect()
        };
        let (parameters, with_transformed) = (names(false, false).len(), names(true, false).len());
        let names = names(true, true);
        let kind = if is_instant {
            Kind::Instant(None)
        } else {
            // As BridgeStan says it of any library with its interface.
            let info = model.info().to_string_lossy();
            Kind::Compiled { has_second_derivatives: info.contains("BRIDGESTAN_AD_HESSIAN=true") }
        };
        Ok(Self { dim: model.param_unc_num(), names, parameters, with_transformed, kind, model })
    }

    /// The model with what makes the same instant model without generated quantities.
    pub(super) fn with_plain(mut self, make: impl FnOnce() -> Option<StanModel> + Send + 'static) -> Self {
        self.kind = Kind::Instant(Some(Plain { model: OnceLock::new(), make: Mutex::new(Some(Box::new(make))) }));
        self
    }

    /// Whether densities lack their constants.
    fn is_up_to_constant(&self) -> bool {
        matches!(self.kind, Kind::Instant(_))
    }

    /// The program's name.
    pub fn model_name(&self) -> &str {
        self.model.name().unwrap_or("unnamed")
    }

    /// Parameters, and transformed parameters where asked for, at the unconstrained `x`, written to `out`.
    fn constrained(&self, x: &[f64], transformed: bool, out: &mut [f64]) -> Result<(), EvaluationError> {
        let constrain = |model: &Handle, out: &mut [f64]| {
            let none = None::<&mut Rng<Arc<StanLibrary>>>;
            model.param_constrain(x, transformed, false, out, none).map_err(rejection)
        };
        let Kind::Instant(Some(plain)) = &self.kind else { return constrain(&self.model, out) };
        if plain.model.get().is_none() && constrain(&self.model, out).is_ok() {
            return Ok(());
        }
        constrain(plain.made().unwrap_or(&self.model), out)
    }

    /// The unconstrained point of parameter values in CmdStan's JSON format. Other values are ignored.
    pub fn unconstrain_json(&self, json: &str) -> Result<Vec<f64>, StanError> {
        let parameters = match self.kind {
            Kind::Compiled { .. } => json.to_owned(),
            Kind::Instant(_) => self.parameters_of(json),
        };
        let json = CString::new(parameters).map_err(|_| StanError::Nul)?;
        let mut x = vec![0.0; self.dim];
        let unconstrained = self.model.param_unconstrain_json(json, &mut x);
        unconstrained.map_err(|error| StanError::Unconstrain(words(error).replace("stanli init: ", "")))?;
        Ok(x)
    }

    /// The values of parameters in a JSON object, as an instant model takes no others; what is no object stays as it is.
    fn parameters_of(&self, json: &str) -> String {
        let Ok(mut values) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) else {
            return json.to_owned();
        };
        let of_scalar = |name: &str| name.split(['[', '.', ':']).next().unwrap_or_default().to_owned();
        let known: HashSet<String> = self.names[..self.parameters].iter().map(|name| of_scalar(name)).collect();
        values.retain(|name, _| known.contains(name));
        serde_json::Value::Object(values).to_string()
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

/// Parts of what Stan's mathematics library says where it throws `std::out_of_range` or `std::invalid_argument`, which it
/// does for indices and sizes alone (its `prim/err`); what is wrong with a point is a `std::domain_error`. Of the types
/// BridgeStan's interface hands over nothing but the words.
const DEFECTS: [&str; 7] = [
    "accessing element out of range",
    "must match in size",
    "they were not consistently sized",
    "they must be the same size",
    "but must have a non-zero size",
    "Found negative dimension size",
    "Found dimension size",
];

/// What Stan's words mean: no density at a point, or a program that is wrong.
fn rejection(error: BridgeStanError) -> EvaluationError {
    let words = words(error);
    if DEFECTS.iter().any(|defect| words.contains(defect)) {
        EvaluationError::Defect(words)
    } else {
        EvaluationError::Program(words)
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

    fn is_normalized(&self) -> bool {
        !self.is_up_to_constant()
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
        let rng = Rng::new(self.model.clone_library_ref(), seed).map_err(rejection)?;
        Ok(Box::new(StanGenerator { model: self, rng }))
    }

    fn unconstrain(&self, parameters: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        let mut x = vec![0.0; self.dim];
        self.model.param_unconstrain(parameters, &mut x).map_err(rejection)?;
        Ok(x)
    }
}

impl Generator for StanGenerator<'_> {
    fn constrain(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.model.model.param_constrain(x, true, true, out, Some(&mut self.rng)).map_err(rejection)
    }
}

impl Target for StanModel {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        let value = self.model.log_density(x, self.is_up_to_constant(), true).map_err(rejection)?;
        if value.is_finite() { Ok(value) } else { Err(EvaluationError::NotFinite) }
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let value = self.model.log_density_gradient(x, self.is_up_to_constant(), true, score).map_err(rejection)?;
        if value.is_finite() && score.iter().all(|s| s.is_finite()) {
            Ok(value)
        } else {
            Err(EvaluationError::NotFinite)
        }
    }

    fn gradients_per_product(&self) -> u64 {
        if matches!(self.kind, Kind::Compiled { has_second_derivatives: true }) { 0 } else { 2 }
    }

    fn hessian_vector(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        match self.kind {
            Kind::Compiled { .. } => {
                self.model.log_density_hessian_vector_product(x, v, false, true, out).map_err(rejection)?;
            }
            Kind::Instant(_) => difference_of_scores(self, x, v, out)?,
        }
        if out.iter().all(|o| o.is_finite()) { Ok(()) } else { Err(EvaluationError::NotFinite) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_constructor_says_is_about_the_data() {
        let message = |error| StanError::of_construction(Path::new("model.so"), error).to_string();
        assert_eq!(
            message(BridgeStanError::ConstructFailed(" y is missing\n".into())),
            "the data do not fit the program: y is missing"
        );
        let threads = message(BridgeStanError::StanThreads(String::new()));
        assert!(threads.starts_with("the library model.so could not be loaded: ") && threads.contains("STAN_THREADS"));
        let version = message(BridgeStanError::BadLibraryVersion("1.0.0".into(), "2.9.0".into()));
        assert!(version.contains("model.so") && version.contains("with BridgeStan 2.9.0"), "{version}");
    }

    #[test]
    fn an_index_out_of_range_is_a_defect_and_a_negative_scale_is_not() {
        let meaning = |words: &str| rejection(BridgeStanError::EvaluationFailed(words.into()));
        for words in [
            "vector[uni] indexing: accessing element out of range. index 3 out of range; expecting index to be between 1 \
             and 2 (in 'm.stan', line 11, column 4 to column 19)",
            "add: Rows of m1 (2) and rows of m2 (3) must match in size (in 'm.stan', line 4, column 2)",
        ] {
            assert_eq!(meaning(words), EvaluationError::Defect(words.into()));
        }
        let negative = "normal_lpdf: Scale parameter is -1, but must be positive! (in 'm.stan', line 3, column 2)";
        assert_eq!(meaning(negative), EvaluationError::Program(negative.into()));
    }
}
