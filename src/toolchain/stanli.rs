//! Instant models: the PyPI package stanli, whose one library makes a model of a program without a C++ compiler.
//!
//! The library holds stanc, Stan's mathematics and an evaluator. It translates a program to the text of stanc's middle
//! representation, and `bs_model_construct` of its BridgeStan interface takes that text as one more member of the data.

use std::borrow::Cow;
use std::env::consts::{ARCH, DLL_EXTENSION, OS};
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use libloading::Library;
use serde_json::{Map, Value, json};

use super::instant_data::with_member;
use super::stan_model::{StanError, StanModel, keep_prints};
use super::stanc::{class_name, file_name};
use super::wheel::{MARKER, Wheel};
use super::{InstallSource, Remedy, ToolchainError, cache};
use crate::program::Program;

/// The version of the package, the only one whose checksums we know.
const VERSION: &str = "0.24.0";

/// The version of stanc and Stan in the library, as its models say.
pub(super) const STAN_VERSION: &str = "2.40.0";

/// The member of the data that holds the program; Stan's names begin with a letter.
const PROGRAM: &str = "__stanli";

/// Space for what recurses in the translator. The main thread has 8 MiB on Linux, other threads 2 MiB.
const STACK_BYTES: usize = 64 << 20;

/// Space for a translator's message.
const MESSAGE_BYTES: usize = 1 << 16;

/// How the library begins to say that a size is not known.
const UNKNOWN_SIZE: &str = "size expression needs unknown int ";

/// How the library begins to say that it evaluates parts of a program in a way that is slow, or not at all.
const SLOW_PARTS: &str = "stanli: parts of this model have no compiled path";

const fn wheel(platform: &'static str, sha256: &'static str) -> Wheel {
    Wheel { package: "stanli", version: VERSION, python: ["py", "none"], platform, sha256 }
}

/// The wheels with Rust's names of their systems and architectures.
static WHEELS: [(&str, &str, Wheel); 4] = [
    (
        "linux",
        "x86_64",
        wheel("manylinux_2_28_x86_64", "f0af1f0224b43279bc684babc195b8577bfae095ac2034873eb15bc30fad151b"),
    ),
    (
        "linux",
        "aarch64",
        wheel("manylinux_2_28_aarch64", "7fcf72ed1537d8834f5c67d0953acd1fb0cdbc7abd74c94e157a0977ee2a3b15"),
    ),
    (
        "macos",
        "aarch64",
        wheel("macosx_11_0_arm64", "56245c68502b49ad714fabe56f635a49cd0addfe5188f4eb4107cfa78b61254b"),
    ),
    (
        "macos",
        "x86_64",
        wheel("macosx_10_15_x86_64", "12586d23b4a2f97a934c57bc647ae339042fc64d9127017c4868931ba1ceb9e5"),
    ),
];

/// The installed package.
#[derive(Debug, Clone)]
pub(super) struct Stanli {
    folder: PathBuf,
}

/// Why there is no instant model of a program with its data.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The library cannot be loaded: perhaps a compiled model can be made.
    Library(ToolchainError),
    /// The program is not valid.
    Program(ToolchainError),
    /// The data are wrong.
    Data(StanError),
    /// Perhaps a compiled model can be made: what was said, such as the function that instant models lack.
    Unable(String),
}

impl Stanli {
    /// The wheel of this platform.
    pub(super) fn wheel() -> Result<&'static Wheel, ToolchainError> {
        let found = WHEELS.iter().find(|(system, architecture, _)| (*system, *architecture) == (OS, ARCH));
        let platform = || format!("{OS} on {ARCH}");
        found.map(|(.., wheel)| wheel).ok_or_else(|| ToolchainError::NoWheel { platform: platform() })
    }

    /// Where the package is installed, or would be.
    pub(super) fn home() -> Result<PathBuf, ToolchainError> {
        Ok(cache::cache_directory()?.join("toolchains").join(format!("stanli-{VERSION}")))
    }

    /// The installed package.
    pub(super) fn find() -> Result<Self, ToolchainError> {
        Self::wheel()?;
        let folder = Self::home()?;
        if !folder.join(MARKER).is_file() {
            let remedy = Remedy::Install(InstallSource::Stanli);
            return Err(ToolchainError::Missing { wanted: "instant toolchain (stanli)", remedy });
        }
        Ok(Self { folder })
    }

    /// Whether the package needs a file of its wheel.
    pub(super) fn is_needed(name: &str) -> bool {
        name.starts_with("_bin/") || name.contains("LICENSE")
    }

    /// Says what the unpacked wheel in `folder` lacks.
    pub(super) fn finish(folder: &Path) -> Result<(), String> {
        let stanli = Self { folder: folder.to_owned() };
        if stanli.library().is_file() { Ok(()) } else { Err("it holds no library".to_owned()) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The shared library.
    pub(super) fn library(&self) -> PathBuf {
        self.folder.join("_bin").join(format!("libstanli.{DLL_EXTENSION}"))
    }

    /// Whether the library can be loaded.
    pub(super) fn check(&self) -> Result<(), ToolchainError> {
        Runtime::load(&self.library()).map(|_| ())
    }

    /// Makes a model of `program` and `data`. `seed` is for random numbers in `transformed data`.
    pub(super) fn model(&self, program: &Program, data: &str, seed: u32) -> Result<StanModel, Refusal> {
        let model = on_large_stack(|| self.constructed(program, data, seed))?;
        let Some(plain) = program.without_generated_quantities() else { return Ok(model) };
        let (stanli, data) = (self.clone(), data.to_owned());
        Ok(model.with_plain(move || on_large_stack(|| stanli.constructed(&plain, &data, seed)).ok()))
    }

    fn constructed(&self, program: &Program, data: &str, seed: u32) -> Result<StanModel, Refusal> {
        let runtime = Runtime::load(&self.library()).map_err(Refusal::Library)?;
        let text = runtime.translate(program).map_err(Refusal::Program)?;
        let member = json!({ "build_id": runtime.build_id, "mir": text, "name": class_name(program) });
        let whole = with_member(data, PROGRAM, &member).map_err(|reason| Refusal::Data(StanError::Data(reason)))?;
        let (model, printed) = keep_prints(|| StanModel::instant(&self.library(), whole, seed));
        let (slow, printed): (Vec<&str>, Vec<&str>) =
            printed.split_inclusive('\n').partition(|line| line.starts_with(SLOW_PARTS));
        // Nothing can be done about a closed stderr.
        let _ = io::stderr().write_all(printed.concat().as_bytes());
        match (model, slow.first()) {
            (Ok(model), None) => Ok(model),
            (Ok(_), Some(slow)) => Err(Refusal::Unable(parts_of(slow))),
            (Err(StanError::Data(message)), _) => Err(match wrong_size(&message, program, data) {
                Some(reason) => Refusal::Data(StanError::Data(reason)),
                None => refusal(&message),
            }),
            (Err(StanError::Load { path, message }), _) => {
                Err(Refusal::Library(ToolchainError::Unloadable { library: path, message }))
            }
            (Err(error), _) => Err(Refusal::Data(error)),
        }
    }
}

/// The functions of the library beside BridgeStan's.
struct Runtime {
    translate: unsafe extern "C" fn(
        source: *const c_char,
        include_folders: *const *const c_char,
        include_count: usize,
        fast_math: c_int,
        message: *mut c_char,
        message_bytes: usize,
    ) -> *mut c_char,
    free: unsafe extern "C" fn(text: *mut c_char),
    /// Which build of the library translated a program: another one does not take the text.
    build_id: String,
}

impl Runtime {
    fn load(path: &Path) -> Result<Self, ToolchainError> {
        let failed = |error: libloading::Error| ToolchainError::Unloadable {
            library: path.to_owned(),
            message: error.to_string(),
        };
        // SAFETY: the library's initialisers run. The installation took it from the wheel whose SHA-256 we know, and
        // what else writes to the user's cache folder is trusted, as compiled models there are.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        // SAFETY: the signatures are those of the package's own Python client for this version of the library.
        let (translate, free, build_id) = unsafe {
            (
                *library.get(b"stanli_stan_to_mir_with_opts\0").map_err(failed)?,
                *library.get(b"stanli_string_free\0").map_err(failed)?,
                *library.get::<unsafe extern "C" fn() -> *const c_char>(b"stanli_build_id\0").map_err(failed)?,
            )
        };
        // It has a runtime of OCaml's inside, which is not made to be unloaded.
        std::mem::forget(library);
        // SAFETY: the string is static.
        let build_id = unsafe { CStr::from_ptr(build_id()) }.to_string_lossy().into_owned();
        Ok(Self { translate, free, build_id })
    }

    /// The text of a program's middle representation.
    fn translate(&self, program: &Program) -> Result<String, ToolchainError> {
        let invalid = |message: String| ToolchainError::Invalid { program: program.shown().to_owned(), message };
        let no_nul = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| invalid("it holds a NUL byte".into()));
        let source = no_nul(OsStr::new(program.source()))?;
        let folders = program.include_directories().iter().map(|folder| no_nul(folder.as_os_str()));
        let folders: Vec<CString> = folders.collect::<Result<_, _>>()?;
        let folders: Vec<*const c_char> = folders.iter().map(|folder| folder.as_ptr()).collect();
        let mut message = vec![0_u8; MESSAGE_BYTES];
        // SAFETY: all strings end in NUL and live to the end of the call, as do the array of folders and the message,
        // whose lengths are given.
        let text = unsafe {
            (self.translate)(
                source.as_ptr(),
                folders.as_ptr(),
                folders.len(),
                0,
                message.as_mut_ptr().cast(),
                message.len(),
            )
        };
        if text.is_null() {
            let message = until_nul(&message);
            return Err(invalid(message.trim().replace("'string'", &format!("'{}'", file_name(program)))));
        }
        // SAFETY: a text that ends in NUL, ours until it is freed with the function for that.
        let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: the text is not used any more.
        unsafe { (self.free)(text) };
        Ok(copy)
    }
}

/// A message as it was written to `buffer`, which it may have filled without space for its NUL.
fn until_nul(buffer: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(buffer.split(|&byte| byte == 0).next().unwrap_or_default())
}

/// What a failed construction means.
fn refusal(message: &str) -> Refusal {
    let data = |message: String| Refusal::Data(StanError::Data(message));
    if let Some(variable) = message.strip_prefix("stanli prepare_data: unknown data variable ") {
        return data(lacking(variable));
    }
    if let Some(bounds) = message.strip_prefix("stanli MIR check: ") {
        return data(bounds.to_owned());
    }
    if let Some(json) = message.strip_prefix("embedded __stanli manifest: ") {
        let json = json.split_once("] ").map_or(json, |(_, reason)| reason);
        return data(format!("they are no valid JSON: {json}"));
    }
    // Stan's own words, and those of the reader of JSON values.
    let is_of_data = message.contains("processing stage=data initialization") || message.starts_with("Variable: ");
    if is_of_data { data(message.to_owned()) } else { Refusal::Unable(shortened(message)) }
}

/// What is wrong with a size in the `data` of a program that could not be constructed with `message`; none where another
/// reason is possible, such as a size that is computed in `transformed data`.
fn wrong_size(message: &str, program: &Program, data: &str) -> Option<String> {
    let readable = with_member(data, PROGRAM, &Value::Null).ok()?;
    let data: Map<String, Value> = serde_json::from_str(&readable).ok()?;
    if let Some(name) = shortened(message).strip_prefix(UNKNOWN_SIZE) {
        return (program.is_data(name) && !data.contains_key(name)).then(|| lacking(name));
    }
    let value = |name: &str| data.get(name).and_then(Value::as_i64);
    let negative = program.plain_sizes().into_iter().find_map(|name| Some((name, value(name).filter(|&it| it < 0)?)));
    negative.map(|(name, value)| format!("{name} is {value}, but is a size, which must not be negative"))
}

/// Stan's own words for a variable that the data lack.
fn lacking(variable: &str) -> String {
    format!("variable does not exist; processing stage=data initialization; variable name={variable}")
}

/// The parts that follow [`SLOW_PARTS`].
fn parts_of(note: &str) -> String {
    let parts = note.split_once("far slower: ").map_or(note, |(_, parts)| parts);
    let end = parts.find(" Please report").into_iter().chain(parts.find(" The interpreter")).min();
    shortened(parts[..end.unwrap_or(parts.len())].trim_end_matches('.'))
}

/// The library's words without its own names and without the expression that it was at.
fn shortened(message: &str) -> String {
    let message = message.split(" | in: ").next().unwrap_or_default();
    message.replace("stanli compile: ", "").replace("mir: ", "").replace("the MIR interpreter", "an interpreter")
}

/// Runs `work` on a thread with [`STACK_BYTES`] of stack, or on this one where no other can be started.
fn on_large_stack<T: Send>(work: impl Fn() -> T + Sync) -> T {
    thread::scope(|scope| match thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, &work) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        Err(_) => work(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn unable(message: &str) -> String {
        match refusal(message) {
            Refusal::Unable(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn data(message: &str) -> String {
        match refusal(message) {
            Refusal::Data(error) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_instant_models_lack_is_told_from_wrong_data() {
        let lacking = "stanli compile: unsupported sized type STuple | in: (STuple (SReal SReal))";
        assert_eq!(unable(lacking), "unsupported sized type STuple");
        assert_eq!(unable("stanli compile: unsupported function qr_thin_R"), "unsupported function qr_thin_R");
        assert_eq!(unable("n is too small: 2"), "n is too small: 2");
        assert!(data("stanli prepare_data: unknown data variable y").ends_with("variable name=y"));
        assert!(
            data("stanli MIR check: N is -3, but must be at least 0").ends_with(": N is -3, but must be at least 0")
        );
        let size = "mismatch in dimension declared and found in context; processing stage=data initialization; \
                    variable name=y; position=0; dims declared=(3); dims found=(2)";
        assert!(data(size).contains("variable name=y"));
        let json = "embedded __stanli manifest: [json.exception.parse_error.101] parse error at line 1, column 8: x";
        assert!(data(json).ends_with("no valid JSON: parse error at line 1, column 8: x"));
    }

    #[test]
    fn wrong_sizes_are_told_from_sizes_that_are_not_known() {
        let source = "data { int N; vector[N] y; } transformed data { int M = N; } parameters { vector[M] x; }";
        let wrong = |message: &str, data: &str| wrong_size(message, &Program::embedded("p", source), data);
        let unknown = "stanli compile: size expression needs unknown int";
        assert!(wrong(&format!("{unknown} N | in: y"), "").unwrap().ends_with("variable name=N"));
        assert!(wrong(&format!("{unknown} N"), r#"{"y": [NaN]}"#).unwrap().ends_with("variable name=N"));
        assert_eq!(wrong(&format!("{unknown} N"), r#"{"N": 1}"#), None);
        assert_eq!(wrong(&format!("{unknown} M"), "{}"), None);
        let negative = wrong("negative vector extent", r#"{"N": -2, "y": [Infinity]}"#).unwrap();
        assert!(negative.starts_with("N is -2, "), "{negative}");
        assert_eq!(wrong("negative vector extent", r#"{"N": 2, "y": [1, 2], "M": -1}"#), None);
    }

    #[test]
    fn a_message_may_fill_its_buffer() {
        assert_eq!(until_nul(b"wrong\0old"), "wrong");
        assert_eq!(until_nul(b"wrong"), "wrong");
        assert_eq!(until_nul(b""), "");
    }

    #[test]
    fn a_library_that_cannot_be_loaded_is_no_fault_of_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let stanli = Stanli { folder: folder.path().to_owned() };
        std::fs::create_dir(folder.path().join("_bin")).unwrap();
        std::fs::write(stanli.library(), "no library").unwrap();
        let Refusal::Library(error) = stanli.model(&Program::embedded("p", ""), "", 1).err().unwrap() else {
            panic!("it is another refusal")
        };
        assert!(error.to_string().contains("libstanli"), "{error}");
        assert!(stanli.check().is_err());
    }

    #[test]
    fn slow_parts_are_named() {
        let note = "stanli: parts of this model have no compiled path and run through the MIR interpreter, which is far \
                    slower: generated quantities (stanli compile: unsupported function multinomial_rng). The \
                    interpreter also failed at every probe point. Please report this at.";
        assert!(note.starts_with(SLOW_PARTS));
        assert_eq!(parts_of(note), "generated quantities (unsupported function multinomial_rng)");
    }

    #[test]
    fn every_platform_has_its_own_wheel() {
        let hashes: std::collections::HashSet<_> = WHEELS.iter().map(|(.., wheel)| wheel.sha256).collect();
        assert_eq!(hashes.len(), WHEELS.len());
        assert!(hashes.iter().all(|hash| hash.len() == 64));
    }
}
