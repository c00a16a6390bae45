//! `stanmatch doctor`: what making a model takes, and what of it is here.

use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use stanmatch::toolchain::{Part, PartState, examine};

use super::toolchain_options::ToolchainOptions;
use super::{Outcome, openblas, print, remedy};

/// Check that models can be made
///
/// Prints where each part of the toolchain was found and its version, and the command that installs a missing one.
/// Ends with exit code 1 if no model can be made.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    toolchain: ToolchainOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let choice = arguments.toolchain.choice();
    let mut parts = examine(&choice);
    parts.push(Part {
        name: "OpenBLAS",
        state: PartState::Ok,
        place: None,
        version: Some(openblas::version()),
        message: None,
        remedy: None,
    });
    let ready = parts.iter().all(|part| part.state != PartState::Missing);
    if arguments.json {
        let toolchain = choice.description();
        let status = if ready { "ok" } else { "failed" };
        let parts: Vec<PartDocument> = parts.iter().map(PartDocument::from).collect();
        print::json(&serde_json::json!({
            "schema": "stanmatch.doctor/1", "status": status, "parts": parts, "toolchain": toolchain,
        }))?;
    } else {
        let end = match choice.description() {
            _ if !ready => "No model can be made until the parts marked MISSING are installed.",
            Some(toolchain) if toolchain.source == "stanli" => {
                "Models are instant; --toolchain httpstan compiles them."
            }
            _ => "Models are compiled.",
        };
        print::text(&format!("{}\n{end}\n", table(&parts)))?;
    }
    Ok(if ready { Outcome::Done } else { Outcome::Failed })
}

/// A part in the document, where what helps is a command.
#[derive(Serialize)]
struct PartDocument<'a> {
    name: &'static str,
    state: PartState,
    place: Option<&'a Path>,
    version: Option<&'a str>,
    message: Option<&'a str>,
    remedy: Option<String>,
}

impl<'a> From<&'a Part> for PartDocument<'a> {
    fn from(part: &'a Part) -> Self {
        Self {
            name: part.name,
            state: part.state,
            place: part.place.as_deref(),
            version: part.version.as_deref(),
            message: part.message.as_deref(),
            remedy: part.remedy.as_ref().map(remedy::of_part),
        }
    }
}

fn table(parts: &[Part]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for part in parts {
        let state = match part.state {
            PartState::Ok => "ok",
            PartState::Absent => "absent",
            PartState::Missing => "MISSING",
        };
        let place = part.place.as_ref().map(|place| place.display().to_string());
        let mut words: Vec<String> =
            [part.version.clone(), part.message.clone(), place].into_iter().flatten().collect();
        words.extend(part.remedy.as_ref().map(|remedy| format!("→ {}", remedy::of_part(remedy))));
        table.add_row([part.name, state, &words.join("\n")]);
    }
    table
}
