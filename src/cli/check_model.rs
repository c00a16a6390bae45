//! `stanmatch check-model`: an instant and a compiled model of the same program, against each other.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Serialize;
use stanmatch::model::{Agreement, Model, Target, compare_models};
use stanmatch::program::Program;
use stanmatch::toolchain::{Choice, Description};

use super::database_options::ProgramOptions;
use super::toolchain_options::{Spinner, folder};
use super::{Outcome, crash, documented, failed, print, table};

/// Compare a program's instant model with its compiled one
///
/// Compares the names of all quantities. At random points it compares log densities up to a constant, gradients,
/// constrained parameters and transformed parameters. Prints the largest differences and how long evaluations take.
/// Ends with exit code 1 if a difference exceeds the tolerance.
#[derive(clap::Args)]
pub struct Arguments {
    /// A Stan program, or a posterior of the database
    #[arg(value_name = "PROGRAM")]
    program: String,

    /// The data of a Stan program, as a JSON object; none for a program without data
    #[arg(long, value_name = "FILE.json")]
    data: Option<PathBuf>,

    #[command(flatten)]
    database: ProgramOptions,

    /// How many random points
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = points)]
    points: usize,

    /// The seed of the points
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The largest relative difference
    #[arg(long, default_value_t = 1e-8, value_parser = tolerance)]
    tolerance: f64,

    /// An official BridgeStan folder to compile with, instead of httpstan
    #[arg(long, value_name = "DIR", env = "BRIDGESTAN", value_parser = folder())]
    bridgestan: Option<PathBuf>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "stanmatch.check-model/1";

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    /// `ok` where nothing differs by more than the tolerance, else `failed`.
    status: &'static str,
    program: String,
    /// Unconstrained parameters.
    dim: usize,
    points: usize,
    rejected_by_one: usize,
    /// Null, as are the others, where the models' names differ, so that nothing else was compared.
    log_density_difference: Option<f64>,
    gradient_difference: Option<f64>,
    gradient_worst: Option<String>,
    constrained_difference: Option<f64>,
    constrained_worst: Option<String>,
    messages: Vec<String>,
    instant: Side,
    compiled: Side,
    version: &'static str,
}

#[derive(Serialize)]
struct Side {
    toolchain: Description,
    gradient_seconds: f64,
    density_seconds: f64,
}

/// One point alone shows no difference of log densities, which are compared up to a constant.
const FEWEST_POINTS: usize = 2;

fn points(text: &str) -> Result<usize, String> {
    let points = text.parse().ok().filter(|&points| points >= FEWEST_POINTS);
    points.ok_or_else(|| format!("it must be a whole number of at least {FEWEST_POINTS}"))
}

fn tolerance(text: &str) -> Result<f64, String> {
    let tolerance = text.parse().ok().filter(|&tolerance: &f64| tolerance >= 0.0);
    tolerance.ok_or_else(|| "it must be a number that is not negative".to_owned())
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    crash::answer_with(arguments.json, |message| failed(SCHEMA)(message));
    let document = documented(arguments.json, check(arguments), failed(SCHEMA))?;
    if arguments.json {
        print::json(&document)?;
    } else {
        document.messages.iter().for_each(|message| print::say("", message));
        print::text(&shown(&document))?;
    }
    Ok(if document.status == "ok" { Outcome::Done } else { Outcome::Failed })
}

fn check(arguments: &Arguments) -> anyhow::Result<Document> {
    let (program, data) = if arguments.program.ends_with(".stan") {
        let data = arguments.data.as_ref().map_or(Ok(String::new()), |file| {
            std::fs::read_to_string(file).with_context(|| format!("the data file {} cannot be read", file.display()))
        });
        (Program::file(&arguments.program)?, data?)
    } else if arguments.data.is_some() {
        bail!(
            "--data applies only to a Stan program, whose name ends in .stan, but {} is the name of a posterior",
            arguments.program
        );
    } else {
        let posterior = arguments.database.open()?.posterior(&arguments.program)?;
        (posterior.program()?, posterior.data()?)
    };
    let spinner = Spinner::new();
    let bridgestan = arguments.bridgestan.clone().filter(|folder| !folder.as_os_str().is_empty());
    let load = |choice: &Choice| {
        let _guard = crash::guard(&format!("a model of {}", program.shown()));
        choice.load(&program, &data, 1, &|progress| spinner.show(progress))
    };
    let instant = load(&Choice::Stanli)?;
    let compiled = load(&bridgestan.map_or(Choice::Httpstan, |folder| Choice::BridgeStan(Some(folder))))?;
    spinner.finish();
    let found = compare_models([&instant.model, &compiled.model], arguments.points, arguments.seed)
        .context("the models cannot be evaluated at random points")?;
    let messages = objections(&found, arguments.points, arguments.tolerance);
    let compared = |difference: f64| found.names.is_none().then_some(difference);
    let compared_names = |names: Vec<String>| if found.names.is_none() { names } else { Vec::new() };
    let side = |toolchain, index: usize| Side {
        toolchain,
        gradient_seconds: found.score_seconds[index],
        density_seconds: found.log_density_seconds[index],
    };
    Ok(Document {
        schema: SCHEMA,
        status: if messages.is_empty() { "ok" } else { "failed" },
        program: program.name().to_owned(),
        dim: instant.model.dim(),
        points: found.points,
        rejected_by_one: found.rejected_by_one,
        log_density_difference: compared(found.log_density),
        gradient_difference: compared(found.score),
        gradient_worst: compared_names(instant.model.unconstrained_names()).get(found.score_element).cloned(),
        constrained_difference: compared(found.constrained),
        constrained_worst: compared_names(instant.model.names().to_vec()).get(found.constrained_quantity).cloned(),
        messages,
        instant: side(instant.toolchain, 0),
        compiled: side(compiled.toolchain, 1),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// What differs of models that were to be compared at so many points, as sentences.
fn objections(found: &Agreement, points: usize, tolerance: f64) -> Vec<String> {
    if let Some(names) = &found.names {
        return vec![format!("the names differ: {names}")];
    }
    let mut messages = Vec::new();
    if found.points < points {
        messages.push(format!("both models accept {} points only, where {points} were asked for", found.points));
    }
    if found.rejected_by_one > 0 {
        messages.push(format!("only one of the models rejects {} points", found.rejected_by_one));
    }
    let differences = [
        ("log densities", found.log_density),
        ("gradients", found.score),
        ("constrained parameters", found.constrained),
    ];
    for (what, difference) in differences {
        // A difference that is no number is one.
        if difference > tolerance || difference.is_nan() {
            messages.push(format!("the {what} differ by {difference:.1e}, relative to their size"));
        }
    }
    messages
}

fn shown(document: &Document) -> String {
    let worst = |name: &Option<String>| name.as_deref().map(print::printable).unwrap_or_default();
    let differences = table::aligned(
        &["largest relative difference", "", "of"],
        [
            ("log density", document.log_density_difference, String::new()),
            ("gradient", document.gradient_difference, worst(&document.gradient_worst)),
            ("constrained", document.constrained_difference, worst(&document.constrained_worst)),
        ]
        .map(|(what, difference, of)| {
            [what.to_owned(), difference.map_or("-".to_owned(), |it| format!("{it:.1e}")), of]
        })
        .into_iter(),
    );
    let microseconds = |seconds: f64| table::number(1e6 * seconds);
    let speeds = table::aligned(
        &["microseconds per", "instant", "compiled"],
        [
            ("gradient", document.instant.gradient_seconds, document.compiled.gradient_seconds),
            ("log density", document.instant.density_seconds, document.compiled.density_seconds),
        ]
        .map(|(what, instant, compiled)| [what.to_owned(), microseconds(instant), microseconds(compiled)])
        .into_iter(),
    );
    format!("{differences}\n\n{speeds}\n\n{}: {} at {} points\n", document.status, document.program, document.points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(points: usize, names: Option<&str>) -> Agreement {
        Agreement { points, names: names.map(str::to_owned), ..Agreement::default() }
    }

    #[test]
    fn what_was_not_compared_is_objected_to() {
        assert_eq!(objections(&agreement(20, None), 20, 0.0), [""; 0]);
        assert_eq!(objections(&agreement(0, Some("x")), 20, 0.0), ["the names differ: x"]);
        let few = objections(&agreement(19, None), 20, 0.0);
        assert!(few.len() == 1 && few[0].contains("19 points only, where 20"), "{few:?}");
        let undefined = Agreement { score: f64::NAN, ..agreement(20, None) };
        assert_eq!(objections(&undefined, 20, 1.0).len(), 1);
    }
}
