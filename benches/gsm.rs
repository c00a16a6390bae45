//! Gaussian score matching: the time of an iteration against the NumPy implementation of the PyPI package `gsmvi`, and
//! how it grows with the dimension. One thread each; one line per figure, `name: value`.
//!
//! The package is installed with pip into an environment of its own in the user's cache folder.

mod figures;

use figures::slope;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use stanmatch::engine::{Batch, Engine, Gsm};
use stanmatch::gaussian::DenseGaussian;
use stanmatch::model::{EvaluationError, Target};
use stanmatch::random::stream;
use stanmatch::toolchain::cache_directory;
use statrs::statistics::{Data, Median};

/// The size of a batch.
const SIZE: usize = 2;
/// The dimension at which the two are compared.
const DIM: usize = 1024;
const DIMS: [usize; 5] = [256, 512, 1024, 2048, 4096];
const PACKAGES: [&str; 2] = ["gsmvi==0.1", "numpy"];
const THREADS: [&str; 2] = ["OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"];

/// Iterations of the package on the target below, each with its draws and its check of the covariance, and their
/// number.
const PROGRAM: &str = "
import sys, time
import numpy as np
from gsmvi.gsm_numpy import GSM
dim, size, iterations = map(int, sys.argv[1:])
scales = 1 + np.arange(dim) / dim
start = time.perf_counter()
GSM(dim, None, lambda x: -x / scales**2).fit(1, batch_size=size, niter=iterations - 1, nprint=1, verbose=False)
print((time.perf_counter() - start) / iterations)
";

fn main() -> Result<(), Box<dyn Error>> {
    if THREADS.iter().any(|name| env::var(name).as_deref() != Ok("1")) {
        // Both are read when they are loaded or first used.
        let status = Command::new(env::current_exe()?).envs(THREADS.map(|name| (name, "1"))).status()?;
        return if status.success() { Ok(()) } else { Err("the bench failed".into()) };
    }
    match python() {
        Ok(python) => compare(&python)?,
        Err(error) => eprintln!("left out, the comparison with gsmvi: {error}"),
    }
    let seconds: Vec<f64> = DIMS.iter().map(|&dim| iteration(dim, if dim > 1024 { 9 } else { 41 })).collect();
    for (dim, seconds) in DIMS.iter().zip(&seconds) {
        println!("milliseconds per iteration, D = {dim}: {:.3}", 1e3 * seconds);
    }
    println!("exponent of the time per iteration, D = 256 to 4096: {:.2}", slope(&DIMS, &seconds));
    Ok(())
}

/// Alternates the two, so that whatever else the machine does meets both.
fn compare(python: &Path) -> Result<(), Box<dyn Error>> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        ours.push(iteration(DIM, 41));
        let arguments = [DIM, SIZE, 3].map(|number| number.to_string());
        let output = Command::new(python).args(["-c", PROGRAM]).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        theirs.push(String::from_utf8(output.stdout)?.trim().parse().map_err(|_| format!("gsmvi failed: {said}"))?);
    }
    let (ours, theirs) = (Data::new(ours).median(), Data::new(theirs).median());
    println!("milliseconds per iteration of gsmvi, D = {DIM}: {:.1}", 1e3 * theirs);
    println!("milliseconds per iteration of ours, D = {DIM}: {:.3}", 1e3 * ours);
    println!("gsmvi over ours: {:.0}", theirs / ours);
    Ok(())
}

/// Independent elements with standard deviations from 1 to 2: the score costs next to nothing.
struct Independent(usize);

impl Target for Independent {
    fn dim(&self) -> usize {
        self.0
    }
    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }
    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let dim = self.0 as f64;
        for (index, (score, x)) in score.iter_mut().zip(x).enumerate() {
            *score = -x / (1.0 + index as f64 / dim).powi(2);
        }
        Ok(0.5 * score.iter().zip(x).map(|(s, x)| s * x).sum::<f64>())
    }
}

/// The median time in seconds of an iteration: draws, scores, score divergence, update.
fn iteration(dim: usize, iterations: usize) -> f64 {
    let target = Independent(dim);
    let mut engine = Gsm::new(DenseGaussian::standard(dim));
    let mut batch = Batch::new(SIZE, dim);
    let mut rng = stream(1, 0);
    let mut times = Vec::new();
    for index in 0..iterations + 2 {
        let began = Instant::now();
        batch.draw(engine.approximation(), &target, &mut rng, false);
        std::hint::black_box(batch.score_divergence());
        engine.step(&batch, 1.0).expect("a Gaussian target has no failing steps");
        // The first iterations touch the memory for the first time.
        if index >= 2 {
            times.push(began.elapsed().as_secs_f64());
        }
    }
    Data::new(times).median()
}

/// The interpreter of an environment with the package.
fn python() -> Result<PathBuf, Box<dyn Error>> {
    let folder = cache_directory()?.join("peers").join("gsmvi");
    let (python, marker) = (folder.join("bin/python"), folder.join("installed"));
    if !marker.is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        fs::write(&marker, PACKAGES.join("\n"))?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().next_back().unwrap_or("no message").into())
}
