//! How the time and the memory of a pBaM iteration grow with the dimension. Each dimension has a process of its own,
//! since a process's peak memory never falls. One line per figure, `name: value`.

mod figures;

use figures::slope;
use stanmatch::engine::{Batch, Engine, PBam, Patch};
use stanmatch::gaussian::{GaussianApproximation, LowRankGaussian};
use stanmatch::init::LocalGaussian;
use stanmatch::model::LowRankTarget;
use stanmatch::random::stream;
use statrs::statistics::{Data, Median};
use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use std::{env, fs};

/// The rank, and the size of a batch.
const SIZE: usize = 32;
const DIMS: [usize; 5] = [1000, 3162, 10_000, 31_623, 100_000];
/// What tells a process its dimension.
const DIM: &str = "STANMATCH_BENCH_DIM";

/// Counts what Rust allocates; OpenBLAS has its own buffers.
struct Counting;
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() {
    match env::var(DIM) {
        Ok(dim) => measure(dim.parse().expect("the parent process gives a number")),
        Err(_) => compare(),
    }
}

/// Figures of one dimension: bytes at the peak beyond the base, seconds of an iteration and of its step alone, and
/// allocations in a step.
fn measure(dim: usize) {
    let target = LowRankTarget::random(dim, SIZE, &mut stream(1, 0));
    let start = LocalGaussian::unit(vec![0.0; dim]).low_rank(SIZE, &mut stream(2, 0));
    // Forgets the peak so far.
    fs::write("/proc/self/clear_refs", "5").expect("Linux resets the peak of a process's memory on request");
    let base = memory("VmHWM") - bytes(&start);
    // As many steps of EM at every dimension.
    let patch = Patch { max_steps: 5, tolerance: 0.0, relaxation: 1.0, ..Patch::default() };
    let iterations = if dim > 20_000 { 7 } else { 21 };
    let mut engine = PBam::new(start, patch);
    let mut batch = Batch::new(SIZE, dim);
    let mut rng = stream(3, 0);
    let (mut whole, mut steps, mut allocations) = (Vec::new(), Vec::new(), 0);
    for iteration in 0..iterations + 2 {
        let began = Instant::now();
        batch.draw(engine.approximation(), &target, &mut rng, false);
        let (drawn, counted) = (Instant::now(), ALLOCATIONS.load(Relaxed));
        engine.step(&batch, (SIZE * dim) as f64).expect("a Gaussian target has no failing steps");
        allocations = ALLOCATIONS.load(Relaxed) - counted;
        if iteration >= 2 {
            whole.push(began.elapsed().as_secs_f64());
            steps.push(drawn.elapsed().as_secs_f64());
        }
    }
    let peak = memory("VmHWM") - base;
    println!("{peak} {} {} {allocations}", Data::new(whole).median(), Data::new(steps).median());
}

/// What the bench itself holds for the engine to begin with.
fn bytes(family: &LowRankGaussian) -> f64 {
    (family.rank() * family.dim() * size_of::<f64>()) as f64
}

/// A line of the process's status, in bytes.
fn memory(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells a process its memory");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the status has this line");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).expect("a number") * 1024.0
}

fn compare() {
    let mut figures: Vec<[f64; 4]> = Vec::new();
    for dim in DIMS {
        let mut process = Command::new(env::current_exe().expect("a process knows its program"));
        let output = process.env(DIM, dim.to_string()).env("OPENBLAS_NUM_THREADS", "1").output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let row: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
        let row: [f64; 4] = row
            .try_into()
            .unwrap_or_else(|_| panic!("no figures for D = {dim}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        println!("milliseconds per iteration at D = {dim}: {:.2}", 1e3 * row[1]);
        println!("milliseconds per step at D = {dim}: {:.2}", 1e3 * row[2]);
        println!("peak memory at D = {dim} in units of 8 D (K + B) bytes: {:.2}", row[0] / (16 * SIZE * dim) as f64);
        println!("allocations in a step at D = {dim}: {}", row[3]);
        figures.push(row);
    }
    for (name, figure) in [("time per iteration", 1), ("time per step", 2), ("peak memory", 0)] {
        println!(
            "exponent of the {name}: {:.3}",
            slope(&DIMS, &figures.iter().map(|row| row[figure]).collect::<Vec<_>>())
        );
    }
}
