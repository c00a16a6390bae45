//! What a fit saves NUTS: on every posterior of a posteriordb, chains with Stan's defaults, chains with the low-rank
//! metric, and chains that begin from a fit with a short warm-up, each of four times 1000 draws, as a table in
//! Markdown. The price of an effective draw is all gradient evaluations, those of warm-up and fit included, by the
//! smallest bulk effective sample size of the reference's quantities.
//!
//!     cargo run --release --example warm_start -- "$POSTERIORDB" stan_models

use std::error::Error;
use std::ops::ControlFlow;

use stanmatch::database::Posterior;
use stanmatch::diagnostics::{chains_of, ess_bulk_and_r_hat};
use stanmatch::fit::{FitArguments, fit};
use stanmatch::model::Target;
use stanmatch::sample::{Chain, Metric, NutsOptions, Start, WARM_START_WARMUP};
use stanmatch::sample::{constrain, sample, sample_from_fit};
use stanmatch::toolchain::StanModel;

mod shared;

use shared::{load, open};

fn main() -> Result<(), Box<dyn Error>> {
    let database = open(std::env::args().skip(1))?;
    println!(
        "| posterior | D | default: gradients | per draw | low-rank: gradients | per draw | fit: gradients | from the fit: \
         gradients | warm-up among them | per draw | R-hat | divergences | default / from the fit |"
    );
    println!("|{}", "---|".repeat(13));
    for name in database.posterior_names() {
        println!("{}", row(&database.posterior(name)?)?);
    }
    Ok(())
}

/// What chains cost, and what they are worth.
struct Worth {
    gradients: u64,
    warmup: u64,
    ess: f64,
    r_hat: f64,
    divergences: usize,
}

/// One posterior's line of the table.
fn row(posterior: &Posterior) -> Result<String, Box<dyn Error>> {
    let target = load(posterior)?;
    let quantities = posterior.required_reference()?.draws.names().to_vec();
    let default = NutsOptions::default();
    let low_rank = NutsOptions { metric: Metric::LowRank, ..default.clone() };
    let warm = NutsOptions { warmup: WARM_START_WARMUP, ..default.clone() };
    let worth = |chains: Vec<Chain>| worth(&target, &quantities, &chains);

    let cold = worth(sample(&target, &default, &Start::Random, &|_| ControlFlow::Continue(()))?)?;
    let low_rank = worth(sample(&target, &low_rank, &Start::Random, &|_| ControlFlow::Continue(()))?)?;
    let fitted = fit(&target, &FitArguments { method: "bam".into(), ..FitArguments::default() }.options(None)?, &())?;
    let fit_gradients = fitted.counts().gradient_evaluations;
    let family = fitted.approximation.as_ref().ok_or("the method fits no Gaussian")?;
    let from_fit = worth(sample_from_fit(&target, family, 1.0, &warm, &|_| ControlFlow::Continue(()))?)?;
    let per_draw = |worth: &Worth, fit: u64| (worth.gradients + fit) as f64 / worth.ess;
    let (price, warm_price) = (per_draw(&cold, 0), per_draw(&from_fit, fit_gradients));
    Ok(format!(
        "| {} | {} | {} | {price:.0} | {} | {:.0} | {fit_gradients} | {} | {} | {warm_price:.0} | {:.3} | {} | {:.1} |",
        posterior.name,
        target.dim(),
        cold.gradients,
        low_rank.gradients,
        per_draw(&low_rank, 0),
        from_fit.gradients,
        from_fit.warmup,
        from_fit.r_hat,
        from_fit.divergences,
        price / warm_price
    ))
}

fn worth(target: &StanModel, quantities: &[String], chains: &[Chain]) -> Result<Worth, Box<dyn Error>> {
    let points: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
    let draws = constrain(target, &points, 1)?;
    let (mut ess, mut largest) = (f64::INFINITY, 0.0_f64);
    for name in quantities {
        let column =
            draws.names().iter().position(|it| it == name).ok_or_else(|| format!("the program has no {name}"))?;
        let (size, r_hat) = ess_bulk_and_r_hat(&chains_of(&draws, column));
        (ess, largest) = (ess.min(size), largest.max(r_hat));
    }
    let total = |count: fn(&Chain) -> u64| chains.iter().map(count).sum::<u64>();
    let warmup = total(|chain| chain.warmup_gradient_evaluations);
    let divergences = chains.iter().map(|chain| chain.divergences).sum();
    Ok(Worth {
        gradients: warmup + total(|chain| chain.gradient_evaluations),
        warmup,
        ess,
        r_hat: largest,
        divergences,
    })
}
