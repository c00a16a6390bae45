//! An example for each command, below its help.

use clap::Command;

/// The commands, and what one types.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("fit", &["stanmatch fit eight_schools", "stanmatch fit --model model.stan --data data.json --output fits/mine"]),
    (
        "compare",
        &[
            "stanmatch compare chain-1.csv chain-2.csv --reference eight_schools",
            "stanmatch compare fits/mine --reference chains",
        ],
    ),
    ("report", &["stanmatch report fits/mine", "stanmatch report fits/bam fits/gsm --output methods.html"]),
    (
        "sample",
        &[
            "stanmatch sample eight_schools",
            "stanmatch sample --model model.stan --data data.json --warm-start fits/mine",
        ],
    ),
    (
        "suite",
        &[
            "stanmatch suite init suite.toml",
            "stanmatch suite run suite.toml --output base.run.jsonl",
            "stanmatch suite accept base.run.jsonl --baseline suite.baseline.jsonl",
        ],
    ),
    ("compile", &["stanmatch compile model.stan"]),
    ("check-model", &["stanmatch check-model eight_schools", "stanmatch check-model model.stan --data data.json"]),
    ("db", &["stanmatch db list", "stanmatch db show eight_schools", "stanmatch db check --posteriordb posteriordb"]),
    (
        "toolchain",
        &["stanmatch toolchain install", "stanmatch toolchain install --from httpstan", "stanmatch toolchain list"],
    ),
    ("doctor", &["stanmatch doctor"]),
    ("completions", &["stanmatch completions bash"]),
    ("man", &["stanmatch man", "stanmatch man --output man1"]),
];

/// The commands with their examples.
pub fn add(mut command: Command) -> Command {
    for (name, lines) in EXAMPLES {
        let heading = if lines.len() == 1 { "Example:" } else { "Examples:" };
        let text = lines.iter().fold(heading.to_owned(), |text, line| text + "\n  " + line);
        command = command.mut_subcommand(name, |command| command.after_help(text));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_an_example_that_it_accepts() {
        let command = add(Arguments::command());
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name();
            let help = subcommand.clone().render_long_help().to_string();
            let lead = format!("stanmatch {name}");
            let examples: Vec<&str> = help.lines().map(str::trim).filter(|line| line.starts_with(&lead)).collect();
            assert!(!examples.is_empty(), "`stanmatch {name} --help` shows no example");
            for example in examples {
                let parsed = Arguments::command().try_get_matches_from(example.split_whitespace());
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }
}
