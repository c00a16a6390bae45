//! What a comparison with reference draws costs: `OPENBLAS_NUM_THREADS=1 cargo bench --bench compare` (the
//! comparison has threads of its own).

use stanmatch::compare::compare;
use stanmatch::draws::{Draws, Reference, ReferenceInfo};
use stanmatch::random::{standard_normal, stream};

fn main() {
    divan::main();
}

fn draws(rows: usize, quantities: usize, seed: u64) -> Draws {
    let values = standard_normal(&mut stream(seed, 0), (rows, quantities));
    let names = (1..=quantities).map(|index| format!("x[{index}]")).collect();
    Draws::new(names, values, vec![rows]).expect("a name per column")
}

/// As many draws as `fit` makes by default, and as many as a reference has, for models of two sizes.
#[divan::bench(args = [(4_000, 10), (4_000, 100), (10_000, 100)], sample_count = 5)]
fn with_10_000_reference_draws(bencher: divan::Bencher, (rows, quantities): (usize, usize)) {
    let ours = draws(rows, quantities, 1);
    let theirs = draws(10_000, quantities, 2);
    let reference = Reference { name: "reference".into(), draws: theirs, info: ReferenceInfo::default() };
    bencher.bench_local(|| compare(&ours, &reference));
}
