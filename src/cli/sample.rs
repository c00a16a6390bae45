//! `stanmatch sample`: NUTS chains, their summaries and diagnostics.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use ndarray::ArrayView2;
use serde::Serialize;
use stanmatch::compare::{Comparison, compare};
use stanmatch::database::Posterior;
use stanmatch::diagnostics::{Summary, summarise};
use stanmatch::draws::Draws;
use stanmatch::output::{CmdstanCsv, is_chain, remove_stale};
use stanmatch::sample::{self, Chain, NutsOptions, Progress, Start, WARM_START_WARMUP};
use stanmatch::sample::{constrain, sample_from_fit, undefined_generated_quantities, warnings};
use stanmatch::toolchain::Description;

use super::chain_bars::ChainBars;
use super::nuts_options::{Metric, Threads, WarmStart};
use super::posterior_options::{Opened, PosteriorOptions};
use super::{Outcome, comparison_table, failure, output_file, print, table};

/// Sample a posterior with NUTS
///
/// Prints a summary of the draws: mean, standard deviation, Monte Carlo error of the mean, quantiles, effective sample
/// sizes and R-hat.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    posterior: PosteriorOptions,

    /// Number of chains
    #[arg(long, default_value_t = 4)]
    chains: usize,

    /// Warm-up iterations per chain [default: 1000, or 150 with --warm-start]
    #[arg(long)]
    warmup: Option<usize>,

    #[command(flatten)]
    warm_start: WarmStart,

    /// Draws kept per chain
    #[arg(long, default_value_t = 1000)]
    draws: usize,

    /// Iterations per kept draw
    #[arg(long, default_value_t = 1)]
    thin: usize,

    /// The acceptance statistic that the step size is adapted to, between 0 and 1; nearer 1, steps are smaller
    #[arg(long, default_value_t = 0.8)]
    adapt_delta: f64,

    /// A trajectory has at most 2 to this power steps
    #[arg(long, default_value_t = 10)]
    max_depth: u32,

    /// What the metric of the chains can express
    #[arg(long, value_enum, default_value_t = Metric::Diag)]
    metric: Metric,

    /// The seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    threads: Threads,

    /// Save the chains as CmdStan CSV files, and the summary as sample.json, in this folder, which may not be that of a
    /// fit
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints. Numbers that are not finite become null.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    status: &'static str,
    messages: Vec<String>,
    posterior: String,
    model: String,
    dim: usize,
    seed: u64,
    chains: usize,
    warmup: usize,
    /// The folder of the fit that the chains began from.
    warm_start: Option<PathBuf>,
    draws: usize,
    thin: usize,
    gradient_evaluations: u64,
    warmup_gradient_evaluations: u64,
    seconds: f64,
    divergences: usize,
    step_sizes: Vec<f64>,
    efmi: Vec<f64>,
    max_r_hat: f64,
    parameters: Vec<Summary>,
    /// The draws held against reference draws, where there are any.
    comparison: Option<Comparison>,
    toolchain: Description,
    version: &'static str,
}

const SCHEMA: &str = "stanmatch.sample/1";

/// Warm-up iterations of chains that know nothing, as in Stan.
const COLD_WARMUP: usize = 1000;

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let document = match sample_posterior(arguments) {
        Ok(document) => document,
        Err(error) => return failure(SCHEMA, arguments.json, error),
    };
    if let Some(folder) = &arguments.output {
        output_file::write(&folder.join("sample.json"), serde_json::to_string_pretty(&document)? + "\n")?;
    }
    if arguments.json {
        print::json(&document)?;
    } else {
        document.messages.iter().for_each(|message| print::say("warning: ", message));
        print::text(&shown(&document))?;
    }
    Ok(Outcome::Done)
}

fn sample_posterior(arguments: &Arguments) -> anyhow::Result<Document> {
    if let Some(folder) = arguments.output.as_deref().filter(|folder| folder.join("fit.json").exists()) {
        bail!(
            "{} holds a saved fit (fit.json), whose draws the chains would replace; name another folder",
            folder.display()
        );
    }
    let opened = arguments.posterior.open(arguments.seed)?;
    let reference = opened.posterior.as_ref().map(Posterior::reference).transpose()?.flatten();
    let fit = arguments.warm_start.approximation(&opened.target)?;
    let options = NutsOptions {
        chains: arguments.chains,
        warmup: arguments.warmup.unwrap_or(if fit.is_some() { WARM_START_WARMUP } else { COLD_WARMUP }),
        draws: arguments.draws,
        thin: arguments.thin,
        adapt_delta: arguments.adapt_delta,
        max_depth: arguments.max_depth,
        metric: arguments.metric.into(),
        seed: arguments.seed,
        threads: arguments.threads.count(),
    };
    let began = Instant::now();
    let bars = ChainBars::new(options.chains);
    let progress = |progress: Progress| bars.show(&progress);
    let chains = match &fit {
        Some(family) => sample_from_fit(&opened.target, family, 1.0, &options, &progress),
        None => sample::sample(&opened.target, &options, &Start::Random, &progress),
    };
    bars.finish();
    let chains = chains?;
    let points: Vec<ArrayView2<f64>> = chains.iter().map(|chain| chain.draws.view()).collect();
    let draws = constrain(&opened.target, &points, options.seed)?;
    let seconds = began.elapsed().as_secs_f64();
    if let Some(folder) = &arguments.output {
        save_chains(folder, &opened, &options, &chains, &draws)?;
    }
    let parameters = summarise(&draws);
    let found = warnings(&chains, &parameters, options.max_depth);
    let mut messages: Vec<String> = found.iter().map(ToString::to_string).collect();
    let status = if messages.is_empty() { "ok" } else { "flagged" };
    messages.extend(undefined_generated_quantities(&opened.target, &draws));
    let comparison = match reference.map(|reference| compare(&draws, &reference)).transpose() {
        Ok(comparison) => comparison,
        Err(error) => {
            messages.push(format!("there is no comparison with reference draws: {error}"));
            None
        }
    };
    let warmup_gradient_evaluations = chains.iter().map(|chain| chain.warmup_gradient_evaluations).sum();
    Ok(Document {
        schema: SCHEMA,
        status,
        messages,
        posterior: opened.name,
        model: opened.model,
        dim: points[0].ncols(),
        seed: options.seed,
        chains: options.chains,
        warmup: options.warmup,
        warm_start: arguments.warm_start.folder.clone(),
        draws: options.draws,
        thin: options.thin,
        gradient_evaluations: warmup_gradient_evaluations
            + chains.iter().map(|chain| chain.gradient_evaluations).sum::<u64>(),
        warmup_gradient_evaluations,
        seconds,
        divergences: chains.iter().map(|chain| chain.divergences).sum(),
        step_sizes: chains.iter().map(|chain| chain.step_size).collect(),
        efmi: chains.iter().map(|chain| chain.efmi).collect(),
        max_r_hat: parameters.iter().map(|summary| summary.r_hat).fold(f64::NAN, f64::max),
        parameters,
        comparison,
        toolchain: opened.toolchain,
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn save_chains(
    folder: &Path,
    opened: &Opened,
    options: &NutsOptions,
    chains: &[Chain],
    draws: &Draws,
) -> anyhow::Result<()> {
    let mut written = Vec::new();
    for (index, (chain, values)) in chains.iter().zip(draws.chains()).enumerate() {
        let csv = CmdstanCsv::nuts(&opened.model, &opened.toolchain.stan_version, options, index, chain);
        let name = format!("draws-{}.csv", index + 1);
        output_file::write(&folder.join(&name), csv.text(draws.names(), values))?;
        written.push(name);
    }
    remove_stale(folder, &written, is_chain)
        .with_context(|| format!("the chains of an earlier run cannot be removed from {}", folder.display()))
}

/// The summary and the comparison as tables, and what it cost.
fn shown(run: &Document) -> String {
    let header = ["parameter", "mean", "sd", "mcse", "5 %", "50 %", "95 %", "ESS bulk", "ESS tail", "R-hat"];
    let rows = run.parameters.iter().map(|it| {
        let mut row = vec![print::printable(&it.name)];
        row.extend([it.mean, it.sd, it.mcse, it.q5, it.q50, it.q95].map(table::number));
        row.extend([it.ess_bulk, it.ess_tail].map(|size| table::fixed(size, 0)));
        row.push(table::fixed(it.r_hat, 3));
        row
    });
    let comparison = run.comparison.as_ref().map(|it| comparison_table::shown(it, None) + "\n").unwrap_or_default();
    format!(
        "{}\n\n{comparison}{} chains of {} draws, {} divergences; {} gradient evaluations in {:.1} s\n",
        table::aligned(&header, rows),
        run.chains,
        run.draws,
        run.divergences,
        run.gradient_evaluations,
        run.seconds
    )
}
