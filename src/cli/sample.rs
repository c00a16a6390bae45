//! `stanmatch sample`: NUTS chains, their summaries and diagnostics.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use ndarray::ArrayView2;
use stanmatch::compare::{Comparison, compare};
use stanmatch::database::Posterior;
use stanmatch::diagnostics::{Summary, summarise};
use stanmatch::document::{
    ComparisonDocument, SAMPLE_SCHEMA, SampleDocument, SampleParameter, Status, ToolchainRecord, VERSION, finite,
};
use stanmatch::draws::Draws;
use stanmatch::model::CountingTarget;
use stanmatch::output::{CmdstanCsv, is_chain, remove_stale};
use stanmatch::sample::{self, Chain, ChainProgress, NutsOptions, Start, WARM_START_WARMUP};
use stanmatch::sample::{constrain, sample_from_fit, undefined_generated_quantities, warnings};

use super::chain_bars::ChainBars;
use super::nuts_options::{Metric, Threads, WarmStart};
use super::posterior_options::{Opened, PosteriorOptions};
use super::{Outcome, comparison_table, crash, documented, output_file, print, table};

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

    /// Number of draws kept per chain
    #[arg(long, default_value_t = 1000)]
    draws: usize,

    /// Number of iterations per kept draw
    #[arg(long, default_value_t = 1)]
    thin: usize,

    /// Target acceptance statistic of the step size adaptation, between 0 and 1; larger values make smaller steps
    #[arg(long, default_value_t = 0.8)]
    adapt_delta: f64,

    /// Maximum depth of a trajectory, which has at most 2 to this power steps
    #[arg(long, default_value_t = 10)]
    max_depth: u32,

    /// The metric of the chains
    #[arg(long, value_enum, default_value_t = Metric::Diag)]
    metric: Metric,

    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    threads: Threads,

    /// Save the chains as CmdStan CSV files and the summary as sample.json in this folder, which must not be that of a
    /// saved fit
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Chains, their comparison with reference draws where there are any, and the document of both.
struct Sampled {
    document: SampleDocument,
    summaries: Vec<Summary>,
    comparison: Option<Comparison>,
}

/// Warm-up iterations of chains that know nothing, as in Stan.
const COLD_WARMUP: usize = 1000;

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let seed = arguments.seed;
    let failed = move |message| SampleDocument { seed: Some(seed), ..SampleDocument::failed(message) };
    crash::answer_with(arguments.json, failed);
    let sampled = documented(arguments.json, sample_posterior(arguments), failed)?;
    let document = &sampled.document;
    if let Some(folder) = &arguments.output {
        output_file::write(&folder.join("sample.json"), serde_json::to_string_pretty(document)? + "\n")?;
    }
    if arguments.json {
        print::json(document)?;
    } else {
        document.messages.iter().for_each(|message| print::say("warning: ", message));
        print::text(&shown(&sampled))?;
    }
    Ok(Outcome::Done)
}

fn sample_posterior(arguments: &Arguments) -> anyhow::Result<Sampled> {
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
    let progress = |progress: ChainProgress| bars.show(&progress);
    let target = CountingTarget::new(&opened.target);
    let chains = match &fit {
        Some(family) => sample_from_fit(&target, family, 1.0, &options, &progress),
        None => sample::sample(&target, &options, &Start::Random, &progress),
    };
    bars.finish();
    if let Some(defect) = target.defect() {
        bail!("the program is wrong: {defect}");
    }
    let chains = chains?;
    let points: Vec<ArrayView2<f64>> = chains.iter().map(|chain| chain.draws.view()).collect();
    let draws = constrain(&opened.target, &points, options.seed)?;
    let seconds = began.elapsed().as_secs_f64();
    if let Some(folder) = &arguments.output {
        save_chains(folder, &opened, &options, &chains, &draws)?;
    }
    let summaries = summarise(&draws);
    let found = warnings(&chains, &summaries, options.max_depth);
    let mut messages: Vec<String> = found.iter().map(ToString::to_string).collect();
    let status = if messages.is_empty() { Status::Ok } else { Status::Flagged };
    let rejections = target.rejections();
    if chains.iter().any(|chain| chain.divergences > 0) && rejections.count() > 0 {
        messages.push(format!("the program rejected {} evaluations and said: {rejections}", rejections.count()));
    }
    messages.extend(undefined_generated_quantities(&opened.target, &draws, &points, options.seed));
    let comparison = match reference.map(|reference| compare(&draws, &reference)).transpose() {
        Ok(comparison) => comparison,
        Err(error) => {
            messages.push(format!("there is no comparison with reference draws: {error}"));
            None
        }
    };
    let total = |count: fn(&Chain) -> u64| chains.iter().map(count).sum::<u64>();
    let warmup_gradient_evaluations = total(|chain| chain.warmup_gradient_evaluations);
    let document = SampleDocument {
        schema: SAMPLE_SCHEMA.to_owned(),
        status,
        messages,
        posterior: Some(opened.name),
        model: Some(opened.model),
        dim: Some(points[0].ncols() as u64),
        seed: Some(options.seed),
        chains: Some(options.chains as u64),
        warmup: Some(options.warmup as u64),
        warm_start: arguments.warm_start.folder.clone(),
        draws: Some(options.draws as u64),
        thin: Some(options.thin as u64),
        gradient_evaluations: Some(warmup_gradient_evaluations + total(|chain| chain.gradient_evaluations)),
        warmup_gradient_evaluations: Some(warmup_gradient_evaluations),
        seconds: finite(seconds),
        divergences: Some(total(|chain| chain.divergences as u64)),
        step_sizes: Some(chains.iter().map(|chain| finite(chain.step_size)).collect()),
        efmi: Some(chains.iter().map(|chain| finite(chain.efmi)).collect()),
        max_r_hat: finite(summaries.iter().map(|summary| summary.r_hat).fold(f64::NAN, f64::max)),
        parameters: Some(summaries.iter().map(SampleParameter::from).collect()),
        comparison: comparison.as_ref().map(ComparisonDocument::from),
        toolchain: Some(ToolchainRecord::from(&opened.toolchain)),
        version: VERSION.to_owned(),
    };
    Ok(Sampled { document, summaries, comparison })
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
fn shown(sampled: &Sampled) -> String {
    let header = ["parameter", "mean", "sd", "mcse", "5 %", "50 %", "95 %", "ESS bulk", "ESS tail", "R-hat"];
    let rows = sampled.summaries.iter().map(|it| {
        let mut row = vec![print::printable(&it.name)];
        row.extend([it.mean, it.sd, it.mcse, it.q5, it.q50, it.q95].map(table::number));
        row.extend([it.ess_bulk, it.ess_tail].map(|size| table::fixed(size, 0)));
        row.push(table::fixed(it.r_hat, 3));
        row
    });
    let comparison = sampled.comparison.as_ref();
    let comparison = comparison.map(|it| comparison_table::shown(it, None) + "\n").unwrap_or_default();
    let run = &sampled.document;
    let count = |value: Option<u64>| value.unwrap_or_default();
    format!(
        "{}\n\n{comparison}{} chains of {} draws, {} divergences; {} gradient evaluations in {:.1} s\n",
        table::aligned(&header, rows),
        count(run.chains),
        count(run.draws),
        count(run.divergences),
        count(run.gradient_evaluations),
        run.seconds.unwrap_or_default()
    )
}
