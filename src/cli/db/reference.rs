//! `stanmatch db reference`: making reference draws.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use stanmatch::output::{Provenance, write_reference};
use stanmatch::reference::{REFERENCE_CHAINS, ReferenceOptions, make_reference};

use crate::cli::chain_bars::ChainBars;
use crate::cli::nuts_options::{Metric, Threads, WarmStart};
use crate::cli::posterior_options::PosteriorOptions;
use crate::cli::{Outcome, print};

/// Make reference draws by NUTS and write them in posteriordb's format
///
/// Ten chains of 1000 draws, thinned until they are nearly independent. Draws that fail posteriordb's checks are not
/// written.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    posterior: PosteriorOptions,

    /// The database folder to write to, which holds `reference_posteriors`
    #[arg(long, value_name = "DIR")]
    output: PathBuf,

    /// Warm-up iterations per chain
    #[arg(long, default_value_t = 2000)]
    warmup: usize,

    /// Number of iterations per kept draw [default: raised from 10 until the draws are independent enough]
    #[arg(long)]
    thin: Option<NonZeroUsize>,

    /// Target acceptance statistic of the step size adaptation
    #[arg(long, default_value_t = 0.9)]
    adapt_delta: f64,

    /// Maximum depth of a trajectory, which has at most 2 to this power steps
    #[arg(long, default_value_t = 12)]
    max_depth: u32,

    /// The metric of the chains
    #[arg(long, value_enum, default_value_t = Metric::LowRank)]
    metric: Metric,

    #[command(flatten)]
    warm_start: WarmStart,

    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    threads: Threads,

    /// Keep the draws of these quantities only, and mean, standard deviation and quantiles of the others: a name or a
    /// pattern with `*` and `?`, such as 'theta[1*]'; `theta` means all its elements; may be given several times
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,

    /// The person or program responsible for the draws
    #[arg(long, default_value = "stanmatch")]
    added_by: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = arguments.posterior.open(arguments.seed)?;
    let posterior = opened.posterior.as_ref();
    let name = posterior.and_then(|it| it.reference_name.clone()).unwrap_or_else(|| opened.name.clone());
    let quantities: Vec<String> =
        posterior.iter().flat_map(|it| &it.dimensions).map(|(quantity, _)| quantity.clone()).collect();
    let fit = arguments.warm_start.approximation(&opened.target)?;
    let options = ReferenceOptions {
        warmup: arguments.warmup,
        thin: arguments.thin.map(NonZeroUsize::get),
        adapt_delta: arguments.adapt_delta,
        max_depth: arguments.max_depth,
        metric: arguments.metric.into(),
        seed: arguments.seed,
        threads: arguments.threads.count(),
        keep: arguments.keep.clone(),
    };
    let bars = ChainBars::new(REFERENCE_CHAINS);
    let made = make_reference(&opened.target, &quantities, fit.as_ref(), &options, &|progress| bars.show(&progress));
    bars.finish();
    let made = made?;
    let mut versions = BTreeMap::from([
        ("stanmatch_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("stan_version".to_owned(), opened.toolchain.stan_version.clone()),
        ("stanc_version".to_owned(), opened.toolchain.stanc_version.clone()),
    ]);
    versions.extend(opened.toolchain.compiler.clone().map(|compiler| ("compiler".to_owned(), compiler)));
    let provenance = Provenance {
        added_by: arguments.added_by.clone(),
        added_date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        versions,
    };
    let (draws, info) = write_reference(&arguments.output, &name, &made, &provenance)
        .with_context(|| format!("the reference cannot be written to {}", arguments.output.display()))?;
    print::text(&format!("{}\n{}\n", draws.display(), info.display()))?;
    let (kept, others) = (&made.diagnostics, &made.summaries);
    let sizes = kept.ess_bulk.iter().chain(&others.effective_sample_size_bulk);
    let smallest = sizes.copied().fold(f64::INFINITY, f64::min);
    let largest = kept.r_hat.iter().chain(&others.r_hat).copied().fold(0.0, f64::max);
    eprintln!(
        "thinning {}, smallest bulk effective sample size {smallest:.0}, largest R-hat {largest:.4}",
        made.options.thin
    );
    if posterior.is_some_and(|it| it.reference_name.is_none()) {
        eprintln!("note: add \"reference_posterior_name\": \"{name}\" to the posterior's description");
    }
    Ok(Outcome::Done)
}
