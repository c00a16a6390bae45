//! What a fit owes to its init, its batches, its learning rate and its averages, on the posteriors of a posteriordb. Tables in
//! Markdown:
//!
//!     cargo run --release --example posterior_study -- inits|schedules|batches|averages "$POSTERIORDB" stan_models

use std::error::Error;

use stanmatch::compare::compare;
use stanmatch::draws::Reference;
use stanmatch::engine::Schedule;
use stanmatch::fit::{FitArguments, fit};
use stanmatch::model::Target;
use stanmatch::toolchain::StanModel;

#[path = "../tests/shared/median.rs"]
mod median;
mod shared;

use median::median;
use shared::{load, open};

/// A differential equation whose densities take as long as all others together.
const SLOW: &str = "one_comp_mm_elim_abs";

/// A posterior ready to be fitted.
struct Problem {
    target: StanModel,
    reference: Reference,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let study = arguments.next().ok_or("the studies are inits, schedules, batches and averages")?;
    let database = open(arguments)?;
    let mut problems = Vec::new();
    for name in database.posterior_names().iter().filter(|name| !name.starts_with(SLOW)) {
        let posterior = database.posterior(name)?;
        problems.push(Problem { target: load(&posterior)?, reference: posterior.required_reference()? });
    }
    println!(
        "| {study} | fits | converged | within tolerance | ok | median gradients | median score divergence | median k̂ |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    match study.as_str() {
        "inits" => inits(&problems),
        "schedules" => schedules(&problems),
        "batches" => batches(&problems),
        "averages" => averages(&problems),
        _ => return Err("the studies are inits, schedules, batches and averages".into()),
    }
    Ok(())
}

fn asked(method: &str) -> FitArguments {
    FitArguments { method: method.into(), ..FitArguments::default() }
}

fn inits(problems: &[Problem]) {
    for method in ["bam", "gsm"] {
        for init in ["path", "map", "laplace", "random", "zero"] {
            let label = format!("{method} from {init}");
            row(&label, problems, |_| FitArguments { init: Some(init.into()), ..asked(method) });
        }
    }
}

fn schedules(problems: &[Problem]) {
    for init in ["path", "zero"] {
        for schedule in [Schedule::Constant, Schedule::Inverse, Schedule::Linear, Schedule::Cosine, Schedule::Adaptive]
        {
            let label = format!("{schedule:?} from {init}");
            let schedule = Some(schedule);
            row(&label, problems, |_| FitArguments { init: Some(init.into()), schedule, ..asked("bam") });
        }
    }
}

/// All with at most some 3 200 gradients.
fn batches(problems: &[Problem]) {
    for batch in [2, 4, 8, 16, 32, 64] {
        for factor in [0.01, 0.1, 1.0, 10.0] {
            row(&format!("B = {batch}, λ = {factor} BD"), problems, |dim| FitArguments {
                batch: Some(batch),
                iterations: Some(3200 / batch),
                learning_rate: Some(factor * (batch * dim) as f64),
                ..asked("bam")
            });
        }
    }
}

fn averages(problems: &[Problem]) {
    for averaging in [1, 5, 10, 20, 40, 80] {
        row(&format!("mean of {averaging}"), problems, |_| FitArguments { averaging: Some(averaging), ..asked("bam") });
    }
}

/// Fits every posterior with two seeds and prints one line; a fit that fails is only counted as one of all.
fn row(label: &str, problems: &[Problem], arguments: impl Fn(usize) -> FitArguments) {
    let (mut converged, mut within, mut ok, mut fits) = (0, 0, 0, 0);
    let (mut gradients, mut divergences, mut ks) = (Vec::new(), Vec::new(), Vec::new());
    for Problem { target, reference } in problems {
        for seed in 1..=2 {
            fits += 1;
            let arguments = FitArguments { seed, ..arguments(target.dim()) };
            let Ok(options) = arguments.options(None) else { continue };
            let Ok(fitted) = fit(target, &options, &()) else { continue };
            converged += usize::from(fitted.verdict.converged == Some(true));
            within += usize::from(compare(&fitted.draws, reference).is_ok_and(|it| it.within_tolerance));
            ok += usize::from(fitted.verdict.objections.is_empty());
            gradients.push(fitted.counts().gradient_evaluations as f64);
            divergences.push(fitted.verdict.score_divergence);
            ks.push(fitted.verdict.pareto_k);
        }
    }
    println!(
        "| {label} | {fits} | {converged} | {within} | {ok} | {:.0} | {:.3} | {:.2} |",
        median(gradients),
        median(divergences),
        median(ks)
    );
}
