//! Stan's own algorithms on a compiled model: compiles `stan_peer.cpp` once, into the user's cache folder, and runs it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use stanmatch::draws::Draws;
use stanmatch::import::read_draws;
use stanmatch::toolchain::{Choice, Toolchain, cache_directory};

const DRIVER: &str = include_str!("stan_peer.cpp");
/// What Stan Math refers to, also where no program solves differential equations.
const LIBRARIES: [&str; 6] =
    ["-lsundials_cvodes", "-lsundials_idas", "-lsundials_kinsol", "-lsundials_nvecserial", "-ltbb", "-ldl"];

/// What a run cost, as the driver prints it.
#[derive(Debug, Deserialize)]
pub struct Cost {
    pub seconds: f64,
    pub gradient_evaluations: u64,
    pub density_evaluations: u64,
}

/// Stan's algorithms.
pub struct Stan(PathBuf);

impl Stan {
    /// Finds the driver in the cache, or compiles it there, in some two minutes.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let toolchain = Toolchain::find(&Choice::Httpstan)?;
        let mut command = toolchain.model_compiler();
        let toolchain = toolchain.description();
        let libraries = toolchain.folder.join("lib");
        let compiler = toolchain.compiler.clone().unwrap_or_default();
        let parts = [&compiler, &format!("{command:?}"), &libraries.display().to_string(), DRIVER];
        let key = Sha256::digest(parts.join("\n"));
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = cache_directory()?.join("peers").join(key);
        let (driver, unfinished) = (folder.join("stan_peer"), folder.join("unfinished"));
        if !driver.is_file() {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("stan_peer.cpp"), DRIVER)?;
            eprintln!("compiling Stan's algorithms, once");
            command.arg("-I").arg(toolchain.folder.join("include"));
            command.arg(folder.join("stan_peer.cpp")).arg("-o").arg(&unfinished).arg("-L").arg(&libraries);
            succeed(command.args(LIBRARIES).args(["-Xlinker", "-rpath", "-Xlinker"]).arg(&libraries))?;
            fs::rename(unfinished, &driver)?;
        }
        Ok(Self(driver))
    }

    /// Runs one algorithm with Stan's defaults on the model in `library` with `data`; files go to `folder`.
    pub fn run(
        &self,
        library: &Path,
        method: &str,
        data: &str,
        seed: u64,
        folder: &Path,
    ) -> Result<(Draws, Cost), Box<dyn Error>> {
        let (data_file, draws_file) = (folder.join("data.json"), folder.join("draws.csv"));
        fs::write(&data_file, data)?;
        let mut command = Command::new(&self.0);
        command.arg(library).arg(method).arg(&data_file).arg(seed.to_string()).arg(&draws_file);
        let printed = succeed(&mut command)?;
        let cost = serde_json::from_str(printed.lines().last().unwrap_or_default())?;
        Ok((read_draws(&[draws_file])?.draws, cost))
    }
}

/// What the command prints, if it succeeds.
fn succeed(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    Err(format!("{} ended with {}: {}", command.get_program().display(), output.status, last.join("; ")).into())
}
