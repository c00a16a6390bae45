//! The documentation: every page is reachable, every link leads somewhere, lines are short, the prose uses standard
//! expressions, and the reference pages that commands print are up to date.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// Columns of a line that is not a row of a table.
const COLUMNS: usize = 100;

/// Expressions that stop a reader, in lower case, and what to write instead.
const TICS: [(&str, &str); 25] = [
    ("go on with", "continue"),
    ("goes on with", "continues"),
    ("went on with", "continued"),
    ("going on with", "continuing"),
    ("at the most", "at most"),
    ("at the least", "at least"),
    ("held against", "compared with"),
    ("holds against", "compares with"),
    ("hold against", "compare with"),
    ("hold it against", "compare it with"),
    ("holds it against", "compares it with"),
    ("thrown off", "diverged"),
    ("goes back to where", "is rolled back to"),
    ("go back to where", "roll back to"),
    ("refuge", "rollback"),
    ("walks to", "optimisation paths to"),
    ("walks uphill", "optimisation paths"),
    ("walk to a mode", "optimisation path"),
    ("at the price of", "at the cost of"),
    ("has the price of", "costs about as much as"),
    ("what is held", "the comparison"),
    ("tells of", "reports"),
    ("told to", "asked to"),
    ("rooms", "modules"),
    ("give or take", "±"),
];

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files with this extension in a folder of the repository and below it; relative to the repository.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut folders = vec![repository().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                files.push(path.strip_prefix(repository()).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The pages of the book and, with `others`, the Markdown files at the top of the repository; relative to it.
fn pages(others: bool) -> Vec<PathBuf> {
    let mut pages = files("docs", "md");
    if others {
        pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(PathBuf::from));
    }
    assert!(pages.len() > 60, "where are the pages?");
    pages
}

fn read(page: &Path) -> String {
    fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The lines of a page with their numbers, and whether each is inside a fenced block.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut fenced = false;
    text.lines().enumerate().map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (index + 1, line, fenced || fence)
    })
}

/// A page without its fenced blocks and without the contents of its code spans.
fn prose(text: &str) -> String {
    let outside: Vec<&str> = lines(text).filter(|(.., fenced)| !fenced).map(|(_, line, _)| line).collect();
    outside.join("\n").split('`').step_by(2).collect::<Vec<&str>>().join("``")
}

/// The targets of the links and images of a page.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The part of a link behind # that leads to a heading, as mdBook and GitHub make it.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn headings(text: &str) -> Vec<String> {
    let marked = lines(text).filter(|(_, line, fenced)| line.starts_with('#') && !fenced);
    marked.map(|(_, line, _)| slug(line.trim_start_matches('#').trim())).collect()
}

/// The path without `.` and `..`, which needs no file there.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, component| {
        match component {
            std::path::Component::ParentDir => _ = path.pop(),
            std::path::Component::CurDir => {}
            other => path.push(other),
        }
        path
    })
}

/// What is wrong with a link of `page`, if anything.
fn broken(page: &Path, link: &str) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target =
        if file.is_empty() { page.to_owned() } else { normal(&page.parent().unwrap_or(Path::new("")).join(file)) };
    if !repository().join(&target).is_file() {
        return Some(format!("there is no file {}", target.display()));
    }
    if page.starts_with("docs") && !target.starts_with("docs") {
        return Some("it leads out of the book".to_owned());
    }
    let heading = heading?;
    let known = headings(&read(&target));
    (!known.iter().any(|it| it == heading)).then(|| format!("{} has no heading #{heading}", target.display()))
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_page_is_in_the_summary_once() {
    let summary = Path::new("docs/SUMMARY.md");
    let listed: Vec<PathBuf> = links(&read(summary)).iter().map(|link| Path::new("docs").join(link)).collect();
    let once: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    let pages = pages(false);
    let expected: BTreeSet<&PathBuf> = pages.iter().filter(|page| page.as_path() != summary).collect();
    assert_eq!(once, expected);
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    let problems = pages(true).into_iter().flat_map(|page| {
        let links = links(&read(&page));
        let broken = move |link: String| Some(format!("{}: {link}: {}", page.display(), broken(&page, &link)?));
        links.into_iter().filter_map(broken).collect::<Vec<String>>()
    });
    assert_none(&problems.collect::<Vec<String>>());
}

#[test]
fn paths_of_the_repository_that_pages_name_exist() {
    let ours =
        ["src/", "tests/", "benches/", "examples/", "studies/", "scripts/", "suites/", "bridge/", "stan_models/"];
    let is_ours = |span: &str| ours.iter().any(|folder| span.starts_with(folder));
    let is_one = |span: &str| !span.contains([' ', '*', '<', '\n']) && span.chars().all(|c| !c.is_ascii_uppercase());
    let mut problems = Vec::new();
    for page in pages(true) {
        let text = read(&page);
        for span in text.split('`').skip(1).step_by(2).filter(|span| is_ours(span) && is_one(span)) {
            if !repository().join(span).exists() {
                problems.push(format!("{} names {span}, which does not exist", page.display()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn pages_that_the_code_names_exist() {
    let mut problems = Vec::new();
    for file in ["src", "tests", "benches", "studies"].into_iter().flat_map(|folder| files(folder, "rs")) {
        let text = read(&file);
        for rest in text.split("docs/").skip(1) {
            let Some((name, _)) = rest.split_once(".md") else { continue };
            let is_path = name.chars().all(|c| c.is_ascii_alphanumeric() || "-/_".contains(c));
            let page = format!("docs/{name}.md");
            if is_path && !file.ends_with("tests/docs.rs") && !repository().join(&page).exists() {
                problems.push(format!("{} names {page}, which does not exist", file.display()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_page_of_findings_lists_every_code_once() {
    let sources = ["src/fit/finding.rs", "src/fit/unsettled.rs", "src/sample/warnings.rs"];
    let mut codes: Vec<String> = Vec::new();
    for source in sources {
        let text = read(&repository().join(source));
        let (_, body) = text.split_once("pub fn code(&self)").expect("findings have codes");
        let (body, _) = body.split_once("\n}\n").expect("the implementation ends");
        codes.extend(body.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    let page = read(&repository().join("docs/reference/findings.md"));
    let listed = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let mut listed: Vec<String> = listed.map(|(code, _)| code.to_owned()).collect();
    codes.sort();
    listed.sort();
    assert!(codes.len() > 30);
    assert_eq!(listed, codes);
}

#[test]
fn lines_are_short() {
    let mut problems = Vec::new();
    for page in pages(true) {
        let text = read(&page);
        for (number, line, _) in lines(&text).filter(|(_, line, _)| !line.starts_with('|')) {
            let columns = line.chars().count();
            if columns > COLUMNS {
                problems.push(format!("{}:{number} has {columns} columns", page.display()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn prose_uses_standard_expressions() {
    let problems = pages(true).into_iter().flat_map(|page| {
        // Lines end in the middle of an expression.
        let text = prose(&read(&page)).split_whitespace().collect::<Vec<&str>>().join(" ").to_lowercase();
        let found = TICS.iter().filter(move |(tic, _)| text.contains(tic));
        found.map(move |(tic, better)| format!("{}: not \"{tic}\" but \"{better}\"", page.display()))
    });
    assert_none(&problems.collect::<Vec<String>>());
}

#[test]
fn checks_see_what_is_wrong() {
    let text = "# A b\n[x](y.md) `[n](o.md)`\n```text\n[n](o.md)\n# n\n```\n## C: `d`, e\n![i](../j.svg)\n";
    assert_eq!(links(text), ["y.md", "../j.svg"]);
    assert_eq!(headings(text), ["a-b", "c-d-e"]);
    let page = Path::new("docs/start/install.md");
    assert!(broken(page, "nowhere.md").is_some() && broken(page, "../../README.md").is_some());
    assert!(broken(page, "first-fit.md#nowhere").is_some() && broken(page, "first-fit.md").is_none());
    assert!(broken(page, "#platforms").is_none() && broken(page, "#nowhere").is_some());
}

/// What the binary prints, whatever the environment says and the width of a terminal is.
fn printed(arguments: &[&str]) -> String {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    ["POSTERIORDB", "BRIDGESTAN", "COLUMNS"].iter().for_each(|variable| _ = command.env_remove(variable));
    let output = command.args(arguments).write_stdin("").output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands that the help of a command lists.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The help of a command and of those below it, each under a heading.
fn help_of(command: &[&str]) -> String {
    let help = printed(&[command, &["--help"]].concat());
    let trimmed: Vec<&str> = help.lines().map(str::trim_end).collect();
    let title = ["stanmatch"].iter().chain(command).copied().collect::<Vec<&str>>().join(" ");
    let mut page = format!("## {title}\n\n```text\n{}\n```\n", trimmed.join("\n").trim_end());
    for name in subcommands(&help) {
        page += &format!("\n{}", help_of(&[command, &[name.as_str()]].concat()));
    }
    page
}

/// Checks the generated part of `page`, or with UPDATE_DOCS=1 writes it.
fn assert_generated(page: &str, marker: &str, expected: &str) {
    let path = Path::new("docs/reference").join(page);
    let text = read(&path);
    let (before, rest) = text.split_once(&format!("<!-- generated: {marker} -->\n")).unwrap();
    let (present, after) = rest.split_once("<!-- end -->\n").unwrap();
    let expected = format!("\n{expected}\n");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let text = format!("{before}<!-- generated: {marker} -->\n{expected}<!-- end -->\n{after}");
        fs::write(repository().join(&path), text).unwrap();
    } else {
        let differs = present.lines().zip(expected.lines()).find(|(present, expected)| present != expected);
        assert!(
            present == expected,
            "{} is out of date ({differs:?}): UPDATE_DOCS=1 cargo test --release --test docs writes it",
            path.display()
        );
    }
}

#[test]
fn the_command_line_page_is_what_the_commands_print() {
    assert_generated("command-line.md", "help", &help_of(&[]));
}

#[test]
fn the_manifest_page_is_what_init_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.toml");
    printed(&["suite", "init", path.to_str().unwrap()]);
    let manifest = fs::read_to_string(path).unwrap();
    assert_generated("manifest.md", "suite init", &format!("```toml\n{}```\n", manifest));
}
