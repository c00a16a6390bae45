//! A judgement as Markdown, for a pull request.

use super::{BaselineVerdict, CellVerdict, Judgement};

const HEAD: &str = "| verdict | posterior | configuration | ok / flagged / failed | within | location error | log-scale error | gradients |\n\
                    |---|---|---|---|---|---|---|---|\n";

/// The judgement as Markdown: what needs attention first, everything else folded away.
pub fn markdown(judgement: &Judgement) -> String {
    let title = if judgement.has_regressed() { "regressed" } else { "no regression" };
    let mut text = format!("### {}: {title}\n\n{}\n", plain(&judgement.suite), summary(judgement));
    let notable = |cell: &&CellVerdict| cell.verdict != BaselineVerdict::Passed;
    if judgement.cells.iter().any(|cell| notable(&cell)) {
        text += &format!("\n{HEAD}");
        judgement.cells.iter().filter(notable).for_each(|cell| text += &row(cell));
        text.push('\n');
        for cell in judgement.cells.iter().filter(|cell| cell.verdict.is_regression()) {
            for reason in &cell.reasons {
                text +=
                    &format!("- {} with {}: {}\n", plain(&cell.posterior), plain(&cell.configuration), plain(reason));
            }
        }
    }
    text += &format!("\n<details><summary>All {} cases</summary>\n\n{HEAD}", judgement.cells.len());
    judgement.cells.iter().for_each(|cell| text += &row(cell));
    text + "\n</details>\n"
}

/// One sentence or two: counts, and what could have been seen.
pub fn summary(judgement: &Judgement) -> String {
    let counts: Vec<String> =
        judgement.counts().into_iter().map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
    let mut text = format!("{} jobs in {} cases: {}.", judgement.jobs, judgement.cells.len(), counts.join(", "));
    if judgement.jobs_missing > 0 {
        text += &format!(" {} jobs have not run.", judgement.jobs_missing);
    }
    if let Some(sensitivity) = &judgement.sensitivity {
        let seen = [
            sensitivity.location.map(|size| format!("a location by {size:.3} sd")),
            sensitivity.log_scale.map(|size| format!("a scale by {:.1} %", 100.0 * size.exp_m1())),
            sensitivity
                .gradient_factor
                .map(|factor| format!("gradient evaluations by {:.0} %", 100.0 * (factor - 1.0))),
        ];
        let seen: Vec<String> = seen.into_iter().flatten().collect();
        if !seen.is_empty() {
            text += &format!(
                " Nine times in ten, these seeds detect a change of {}; at most one run in {:.0} has a false alarm.",
                seen.join(", of "),
                (1.0 / sensitivity.false_alarm_rate).max(1.0),
            );
        }
    }
    text
}

fn row(cell: &CellVerdict) -> String {
    let number =
        |value: Option<f64>, decimals: usize| value.map_or("–".to_owned(), |value| format!("{value:.decimals$}"));
    format!(
        "| {} | {} | {} | {} / {} / {} | {} | {} | {} | {} |\n",
        cell.verdict.name(),
        plain(&cell.posterior),
        plain(&cell.configuration),
        cell.ok,
        cell.flagged,
        cell.failed,
        if cell.compared > 0 { format!("{}/{}", cell.within, cell.compared) } else { "–".to_owned() },
        number(cell.location_error, 3),
        number(cell.log_scale_error, 3),
        number(cell.gradient_evaluations, 0),
    )
}

/// Text that means nothing to Markdown.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => plain.push(' '),
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            c if r"\`*_[]|#".contains(c) => {
                plain.push('\\');
                plain.push(c);
            }
            c => plain.push(c),
        }
    }
    plain
}
