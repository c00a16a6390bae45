//! `stanmatch compile`: a Stan program to a shared library.

use std::path::PathBuf;

use serde::Serialize;
use stanmatch::program::Program;
use stanmatch::toolchain::{CompileOptions, Compiled, Description};

use super::remedy::explained;
use super::toolchain_options::{ToolchainOptions, compile};
use super::{Outcome, print};

/// Compile a Stan program and print the path of the library
///
/// The library has BridgeStan's C interface, and any client of BridgeStan can load it. It stays in the cache, so
/// compiling the same program again takes no time.
#[derive(clap::Args)]
pub struct Arguments {
    /// The Stan program
    #[arg(value_name = "FILE.stan")]
    program: PathBuf,

    /// Another folder in which #include looks for files, after the program's own; may be given several times
    #[arg(long, value_name = "DIR")]
    include: Vec<PathBuf>,

    /// Compute Hessians by automatic differentiation instead of finite differences; takes longer to compile
    #[arg(long)]
    ad_hessian: bool,

    /// Compile even if the cache holds the model
    #[arg(long)]
    force: bool,

    /// Print one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    toolchain: ToolchainOptions,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    status: &'static str,
    #[serde(flatten)]
    compiled: Option<Compiled>,
    messages: Vec<String>,
    toolchain: Option<Description>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let made = make(arguments);
    if !arguments.json {
        print::text(&format!("{}\n", made?.0.library.display()))?;
        return Ok(Outcome::Done);
    }
    let schema = "stanmatch.compile/1";
    match made {
        Ok((compiled, description)) => {
            let toolchain = Some(description);
            print::json(&Document { schema, status: "ok", compiled: Some(compiled), messages: vec![], toolchain })?;
            Ok(Outcome::Done)
        }
        Err(error) => {
            let messages = vec![explained(&error)];
            print::json(&Document { schema, status: "failed", compiled: None, messages, toolchain: None })?;
            Err(error)
        }
    }
}

fn make(arguments: &Arguments) -> anyhow::Result<(Compiled, Description)> {
    let mut program = Program::file(&arguments.program)?;
    for folder in &arguments.include {
        program = program.with_include_directory(std::path::absolute(folder)?);
    }
    let toolchain = arguments.toolchain.find()?;
    let options = CompileOptions { ad_hessian: arguments.ad_hessian, force: arguments.force };
    let compiled = compile(&toolchain, &program, &options)?;
    Ok((compiled, toolchain.description()))
}
