//! Compiling a program into the cache, or finding it there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::build_artifacts::Shared;
use super::options::{CompileOptions, CompileProgress};
use super::{Program, Source, Toolchain, ToolchainError, cache};
use crate::files::{self, Unfinished};

/// A compiled model.
#[derive(Debug, Clone, Serialize)]
pub struct Compiled {
    /// The shared library, which has BridgeStan's C interface.
    pub library: PathBuf,
    /// Whether the cache held it.
    pub cached: bool,
    /// How long it took to compile or to find, in seconds.
    pub seconds: f64,
}

/// What is written beside a library, last, so that it also says that the library is whole.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    program: String,
    bytes: u64,
    sha256: String,
    seconds: f64,
}

impl Toolchain {
    /// Compiles what all models share, so that the first model need not wait for it: the bridge and, if `headers` is
    /// set, Stan's headers, which then take 800 MB of disk and half the time of every compilation.
    ///
    /// # Errors
    /// When the C++ compiler or the toolchain's folder does not serve.
    pub fn prepare(&self, headers: bool, progress: &dyn Fn(CompileProgress<'_>)) -> Result<(), ToolchainError> {
        // BridgeStan's makefile does so with the first model.
        let Source::Httpstan(httpstan) = &self.source else { return Ok(()) };
        let options = CompileOptions::default();
        let shared = Shared::new(httpstan, &options, &self.compiler);
        shared.bridge(progress)?;
        if headers { shared.precompile_headers(progress) } else { Ok(()) }
    }

    /// Compiles `program`, or finds its library in the cache. Two processes may do so at once: the second waits.
    ///
    /// # Errors
    /// When the program is not valid Stan, with the translator's message, or when the C++ compiler or the cache folder
    /// does not serve.
    pub fn compile(
        &self,
        program: &Program,
        options: &CompileOptions,
        progress: &dyn Fn(CompileProgress<'_>),
    ) -> Result<Compiled, ToolchainError> {
        let start = Instant::now();
        let done = |library, cached| Compiled { library, cached, seconds: start.elapsed().as_secs_f64() };
        let folder = cache::cache_directory()?.join("models").join(self.key(program, options));
        if !options.force
            && let Some(library) = whole(&folder)
        {
            return Ok(done(library, true));
        }
        let _lock = cache::lock(&folder)?;
        // Whoever held the lock has perhaps compiled it.
        if !options.force
            && let Some(library) = whole(&folder)
        {
            return Ok(done(library, true));
        }
        let failed = |error| ToolchainError::writing(&folder, error);
        let build = Unfinished::folder(folder.join("build")).map_err(failed)?;
        match &self.source {
            Source::Httpstan(it) => it.build(program, options, &self.compiler, build.path(), progress)?,
            Source::BridgeStan(it) => {
                progress(CompileProgress::Compiling(program.name()));
                it.build(program, options, &self.compiler, build.path())?;
            }
        }
        let library = folder.join("model.so");
        let contents = fs::read(build.path().join("model.so")).map_err(failed)?;
        let record = Record {
            program: program.name().to_owned(),
            bytes: contents.len() as u64,
            sha256: cache::hexadecimal(&Sha256::digest(&contents)),
            seconds: start.elapsed().as_secs_f64(),
        };
        fs::rename(build.path().join("model.so"), &library).map_err(failed)?;
        files::write(&folder.join("program.stan"), program.source().as_bytes()).map_err(failed)?;
        let record = serde_json::to_vec_pretty(&record).map_err(|error| failed(error.into()))?;
        files::write(&folder.join("model.json"), &record).map_err(failed)?;
        Ok(done(library, false))
    }

    /// The name of a compiled program in the cache: a hash of all that it is made from.
    fn key(&self, program: &Program, options: &CompileOptions) -> String {
        let toolchain = match &self.source {
            Source::Httpstan(it) => it.fingerprint(options),
            Source::BridgeStan(it) => it.fingerprint(options),
        };
        let (name, compiler) = (program.name().to_owned(), self.compiler.fingerprint());
        let parts =
            [("compiler", compiler.as_str()), ("toolchain", &toolchain), ("name", &name), ("source", program.source())];
        let included = program.included();
        cache::hash(parts.into_iter().chain(included.iter().map(|(name, text)| (name.as_str(), text.as_str()))))
    }
}

/// The library in `folder`, if its record says that it is whole.
fn whole(folder: &Path) -> Option<PathBuf> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join("model.json")).ok()?).ok()?;
    let library = folder.join("model.so");
    if fs::metadata(&library).ok()?.len() != record.bytes {
        return None;
    }
    let sha256 = cache::hexadecimal(&Sha256::digest(fs::read(&library).ok()?));
    (sha256 == record.sha256).then_some(library)
}
