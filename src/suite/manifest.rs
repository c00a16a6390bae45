//! The manifest: a TOML file that says what a suite fits, how, with which seeds, and what is expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Spanned, Table, Value};

use super::SuiteError;
use crate::document::Expectation;
use crate::fit::FitArguments;

/// Arguments of a fit that the suite sets itself, and what says them instead.
const RESERVED: [(&str, &str); 2] =
    [("seed", "`seeds` and `first_seed` say which seeds there are"), ("budget", "`limits` has `gradients`")];

/// More configurations than this in one block of methods are a slip.
const MAX_CONFIGURATIONS: usize = 1000;

/// What a suite is asked to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The suite's name.
    pub name: String,
    /// What it is there for.
    #[serde(default)]
    pub description: String,
    /// How many seeds each posterior is fitted with by each configuration.
    pub(super) seeds: Spanned<u64>,
    /// The first of the seeds.
    #[serde(default = "one")]
    pub first_seed: u64,
    /// `embedded`, `given` (on the command line), or a folder, relative to the manifest's.
    #[serde(default = "embedded")]
    pub database: String,
    /// A folder of programs for those that the database lacks, relative to the manifest's.
    pub models: Option<PathBuf>,
    /// When a fit is within tolerance of its reference.
    tolerance: Option<Spanned<Tolerance>>,
    /// What a job may use.
    limits: Option<Spanned<Limits>>,
    /// What each job is expected to come to.
    #[serde(default)]
    pub expect: Expectation,
    /// Blocks of options of `fit`; a list of values stands for a configuration each.
    methods: Vec<Spanned<BTreeMap<String, Spanned<Value>>>>,
    /// Which posteriors.
    pub(super) posteriors: Vec<Spanned<Selection>>,
    #[serde(skip)]
    file: PathBuf,
    #[serde(skip)]
    text: String,
}

fn one() -> u64 {
    1
}

fn embedded() -> String {
    "embedded".to_owned()
}

/// The largest errors, in units of the reference's scale, of a fit within tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// Of a location.
    pub location: f64,
    /// Of the natural logarithm of a scale.
    pub log_scale: f64,
    /// The 1-Wasserstein distance, when it is to count.
    pub w1: Option<f64>,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { location: crate::compare::TOLERANCE, log_scale: crate::compare::TOLERANCE, w1: None }
    }
}

/// What a job may use; absent is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Wall time in seconds, without compilation.
    pub seconds: f64,
    /// Resident memory.
    pub megabytes: u64,
    /// Gradient evaluations, handed to `fit --budget`.
    pub gradients: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { seconds: 600.0, megabytes: 4000, gradients: None }
    }
}

/// One entry of `posteriors`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Selection {
    /// Names, aliases or patterns (`*`, `?`) of posteriors of the database.
    #[serde(default)]
    pub select: Vec<Spanned<String>>,
    /// Patterns of names to leave out.
    #[serde(default)]
    pub except: Vec<Spanned<String>>,
    /// Only posteriors that have all of these keywords.
    #[serde(default)]
    pub keywords: Vec<Spanned<String>>,
    /// Only posteriors whose described quantities are this many scalars, first to last.
    pub quantities: Option<Spanned<[usize; 2]>>,
    /// Only posteriors with reference draws, or only those without.
    pub reference: Option<Spanned<bool>>,
    /// An own program instead: its name in the suite.
    pub name: Option<Spanned<String>>,
    /// Its Stan program, or a compiled library with BridgeStan's interface (`.so`), relative to the manifest's folder.
    pub program: Option<PathBuf>,
    /// Its data.
    pub data: Option<PathBuf>,
    /// Patterns of the names of the configurations to fit with; all when absent.
    pub methods: Option<Vec<Spanned<String>>>,
    tolerance: Option<Spanned<Tolerance>>,
    limits: Option<Spanned<Limits>>,
    expect: Option<Expectation>,
}

impl Selection {
    /// Where the entry says which of the matching posteriors it wants.
    fn filters(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let patterns = self.except.iter().chain(&self.keywords).map(Spanned::span);
        patterns.chain(self.quantities.as_ref().map(Spanned::span)).chain(self.reference.as_ref().map(Spanned::span))
    }
}

/// What is asked of a fit, under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The name: that of the block or of the method, and the options that vary within the block.
    pub name: String,
    /// What is asked of the fit. A file that its init names is relative to the working directory.
    pub fit: FitArguments,
    /// The line of the manifest where the block begins.
    pub line: usize,
}

impl Manifest {
    /// How many seeds each posterior is fitted with by each configuration.
    pub fn seeds(&self) -> u64 {
        *self.seeds.get_ref()
    }

    /// Reads the manifest in `file`.
    ///
    /// # Errors
    /// When it cannot be read or is not valid, with the line.
    pub fn read(file: &Path) -> Result<Self, SuiteError> {
        let text = fs::read_to_string(file).map_err(|error| SuiteError::unreadable(file, error))?;
        Self::parse(file, text)
    }

    fn parse(file: &Path, text: String) -> Result<Self, SuiteError> {
        let mut manifest: Self = toml::from_str(&text).map_err(|error| SuiteError::Manifest {
            file: file.to_owned(),
            line: line_of(&text, error.span().map_or(0, |span| span.start)),
            reason: error.message().to_owned(),
        })?;
        manifest.file = file.to_owned();
        manifest.text = text;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest's own file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The limits of an entry's jobs.
    pub(super) fn limits(&self, entry: &Selection) -> Limits {
        entry.limits.as_ref().or(self.limits.as_ref()).map_or_else(Limits::default, |limits| *limits.get_ref())
    }

    /// The tolerance for an entry's jobs.
    pub(super) fn tolerance(&self, entry: &Selection) -> Tolerance {
        let given = entry.tolerance.as_ref().or(self.tolerance.as_ref());
        given.map_or_else(Tolerance::default, |tolerance| *tolerance.get_ref())
    }

    /// What each job of an entry is expected to come to.
    pub(super) fn expect(&self, entry: &Selection) -> Expectation {
        entry.expect.unwrap_or(self.expect)
    }

    /// A path of the manifest, which is relative to its folder.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// An error at the place of `spanned`.
    pub(super) fn error_at<T>(&self, spanned: &Spanned<T>, reason: impl Into<String>) -> SuiteError {
        self.error_on(self.line_at(spanned.span()), reason)
    }

    fn line_at(&self, span: Range<usize>) -> usize {
        line_of(&self.text, span.start)
    }

    /// An error on a line, such as that of a [`Configuration`].
    pub fn error_on(&self, line: usize, reason: impl Into<String>) -> SuiteError {
        SuiteError::Manifest { file: self.file.clone(), line, reason: reason.into() }
    }

    fn check(&self) -> Result<(), SuiteError> {
        if !(1..=10_000).contains(self.seeds.get_ref()) {
            return Err(self.error_at(&self.seeds, "`seeds` is how many seeds to fit with, from 1 to 10000"));
        }
        for entry in &self.posteriors {
            let it = entry.get_ref();
            let own = it.name.is_some() || it.program.is_some() || it.data.is_some();
            let reason = match (own, it.select.is_empty()) {
                (true, false) => "an entry has either `select` or `name` and `program`",
                (false, true) => "an entry needs `select`, or `name` and `program`",
                (true, true) if it.name.is_none() || it.program.is_none() => {
                    "a program of your own needs `name` and `program`"
                }
                _ => "",
            };
            if !reason.is_empty() {
                return Err(self.error_at(entry, reason));
            }
            if own && let Some(filter) = it.filters().next() {
                return Err(self.error_on(
                    self.line_at(filter),
                    "this filter is for posteriors of the database, not for a program of your own",
                ));
            }
        }
        let entries = || self.posteriors.iter().map(Spanned::get_ref);
        for limits in self.limits.iter().chain(entries().filter_map(|it| it.limits.as_ref())) {
            let Limits { seconds, megabytes, .. } = *limits.get_ref();
            if !(seconds > 0.0 && seconds < 1e9) || megabytes == 0 {
                return Err(self.error_at(limits, "limits must be positive"));
            }
        }
        for tolerance in self.tolerance.iter().chain(entries().filter_map(|it| it.tolerance.as_ref())) {
            let Tolerance { location, log_scale, w1 } = *tolerance.get_ref();
            // Nothing is at most NaN.
            if ![location, log_scale, w1.unwrap_or(0.0)].iter().all(|limit| *limit >= 0.0) {
                return Err(self.error_at(tolerance, "a tolerance must be 0 or more"));
            }
        }
        let mut names = BTreeSet::new();
        for configuration in self.configurations()? {
            if !names.insert(configuration.name.clone()) {
                let reason =
                    format!("two configurations are called `{}`: give the blocks a `name`", configuration.name);
                return Err(self.error_on(configuration.line, reason));
            }
        }
        Ok(())
    }

    /// The configurations: each block's options, multiplied out.
    ///
    /// # Errors
    /// When an option is not one of `fit`'s to give here, or has a value of a wrong kind.
    pub fn configurations(&self) -> Result<Vec<Configuration>, SuiteError> {
        let mut all = Vec::new();
        for block in &self.methods {
            all.extend(self.multiplied_out(block)?);
        }
        if all.is_empty() {
            return Err(self.error_on(1, "there is no block [[methods]]"));
        }
        Ok(all)
    }

    fn multiplied_out(
        &self,
        block: &Spanned<BTreeMap<String, Spanned<Value>>>,
    ) -> Result<Vec<Configuration>, SuiteError> {
        let line = self.line_at(block.span());
        let mut given_name = None;
        // The arguments so far, and the name's parts that they vary.
        let mut combinations = vec![(Table::new(), Vec::new())];
        let mut methods = None;
        for (key, value) in block.get_ref() {
            if let (Value::String(name), "name") = (value.get_ref(), key.as_str()) {
                given_name = Some(name.clone());
                continue;
            }
            let argument = key.replace('_', "-");
            let values = self.values(key, &argument, value)?;
            if argument == "method" {
                methods = Some(values);
                continue;
            }
            if combinations.iter().any(|(arguments, _)| arguments.contains_key(&argument)) {
                return Err(self.error_at(value, format!("`{key}` is given twice in this block")));
            }
            let varies = values.len() > 1;
            let extended = combinations.iter().flat_map(|(arguments, parts): &(Table, Vec<String>)| {
                values.iter().map(|(value, shown)| {
                    let (mut arguments, mut parts) = (arguments.clone(), parts.clone());
                    arguments.insert(argument.clone(), value.clone());
                    parts.extend(varies.then(|| format!("{key}={shown}")));
                    (arguments, parts)
                })
            });
            combinations = extended.collect();
            if combinations.len() > MAX_CONFIGURATIONS {
                return Err(
                    self.error_on(line, format!("this block has more than {MAX_CONFIGURATIONS} configurations"))
                );
            }
        }
        let several = methods.as_ref().is_some_and(|methods| methods.len() > 1);
        let methods = methods.unwrap_or_else(|| vec![(Value::String("auto".to_owned()), "auto".to_owned())]);
        let mut all = Vec::new();
        for (value, method) in &methods {
            for (arguments, parts) in &combinations {
                let base = match &given_name {
                    Some(name) if several => format!("{name}/{method}"),
                    Some(name) => name.clone(),
                    None => method.clone(),
                };
                let name = if parts.is_empty() { base } else { format!("{base}/{}", parts.join(",")) };
                let mut arguments = arguments.clone();
                arguments.insert("method".to_owned(), value.clone());
                all.push(Configuration { name, fit: self.fit(arguments, line)?, line });
            }
        }
        Ok(all)
    }

    /// The values of one argument of a block, each also as the names of configurations have it.
    fn values(&self, key: &str, argument: &str, value: &Spanned<Value>) -> Result<Vec<(Value, String)>, SuiteError> {
        if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| *reserved == argument) {
            return Err(self.error_at(value, format!("`{key}` is not an option of [[methods]]: {instead}")));
        }
        let values = match value.get_ref() {
            Value::Array(values) if !values.is_empty() => values.clone(),
            single => vec![single.clone()],
        };
        let with_text = values.into_iter().map(|one| {
            let shown = shown(&one).ok_or_else(|| {
                self.error_at(value, format!("`{key}` must be a string, a number, or a list of those"))
            })?;
            // Whether the fit has the argument, and whether that takes such a value.
            let alone = Table::from_iter([(argument.to_owned(), one.clone())]);
            let read: Result<FitArguments, toml::de::Error> = Value::Table(alone).try_into();
            read.map_err(|error| self.error_at(value, format!("`{key}`: {}", error.message())))?;
            Ok((one, shown))
        });
        with_text.collect()
    }

    /// What these arguments ask of a fit, in a block that begins on `line`.
    fn fit(&self, arguments: Table, line: usize) -> Result<FitArguments, SuiteError> {
        let mut fit: FitArguments = Value::Table(arguments)
            .try_into()
            .map_err(|error: toml::de::Error| self.error_on(line, error.message()))?;
        fit.options(None).map_err(|error| self.error_on(line, error.to_string()))?;
        if let Some(file) = fit.init_file() {
            fit.init = Some(self.path(file).to_string_lossy().into_owned());
        }
        Ok(fit)
    }
}

/// A value as the names of configurations have it.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The line, counted from 1, of the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Schedule;

    fn parse(text: &str) -> Result<Manifest, SuiteError> {
        Manifest::parse(Path::new("suite.toml"), text.to_owned())
    }

    const HEAD: &str = "name = 'x'\nseeds = 2\n";
    const ALL: &str = "[[posteriors]]\nselect = ['*']\n";
    const OWN: &str = "[[posteriors]]\nname = 'mine'\nprogram = 'mine.stan'\n";

    fn arguments(method: &str) -> FitArguments {
        FitArguments { method: method.to_owned(), ..FitArguments::default() }
    }

    #[test]
    fn lists_are_multiplied_out() {
        let text = format!("{HEAD}{ALL}[[methods]]\nmethod = ['bam', 'gsm']\nbatch = [8, 16]\niterations = 9\n");
        let configurations = parse(&text).unwrap().configurations().unwrap();
        let names: Vec<_> = configurations.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["bam/batch=8", "bam/batch=16", "gsm/batch=8", "gsm/batch=16"]);
        let last = FitArguments { batch: Some(16), iterations: Some(9), ..arguments("gsm") };
        assert_eq!(configurations[3].fit, last);
        let named = format!("{HEAD}{ALL}[[methods]]\nname = 'mine'\nlearning_rate = 1\nschedule = 'cosine'\n");
        let configurations = parse(&named).unwrap().configurations().unwrap();
        assert_eq!((configurations[0].name.as_str(), configurations.len()), ("mine", 1));
        let schedule = Some(Schedule::Cosine);
        assert_eq!(configurations[0].fit, FitArguments { learning_rate: Some(1.0), schedule, ..arguments("auto") });
    }

    #[test]
    fn a_bad_manifest_names_its_line() {
        let methods = "[[methods]]\nmethod = 'bam'\n";
        for (text, line, part) in [
            (format!("{HEAD}sedes = 3\n{ALL}{methods}"), 3, "sedes"),
            (format!("{HEAD}= 3\n"), 3, "key"),
            (format!("{HEAD}expect = 'good'\n{ALL}{methods}"), 3, "good"),
            (format!("name = 'x'\nseeds = 0\n{ALL}{methods}"), 2, "seeds"),
            (format!("{HEAD}{methods}[[posteriors]]\nexpect = 'any'\n"), 5, "select"),
            (format!("{HEAD}{methods}[[posteriors]]\nname = 'mine'\n"), 5, "program"),
            (format!("{HEAD}{ALL}[[methods]]\nbatch = {{}}\n"), 6, "batch"),
            (format!("{HEAD}{ALL}[[methods]]\nmethod = 'bam'\nseed = 3\n"), 7, "`seeds` and `first_seed`"),
            (format!("{HEAD}{ALL}[[methods]]\nmethod = 'bam'\nbudget = 3\n"), 7, "`gradients`"),
            (format!("{HEAD}{ALL}[[methods]]\nmethod = 'bam'\nbatches = [8, 16]\n"), 7, "unknown field `batches`"),
            (format!("{HEAD}{ALL}[[methods]]\nmethod = 'bam'\nbatch = [8, 'x']\n"), 7, "`batch`: invalid type"),
            (format!("{HEAD}{ALL}[[methods]]\nbatch = true\n"), 6, "a string, a number"),
            (format!("{HEAD}{ALL}[[methods]]\nlearning-rate = 1\nlearning_rate = 2\n"), 7, "given twice"),
            (format!("{HEAD}{ALL}[[methods]]\nmethod = ['bam', 'bamm']\n"), 5, "no method `bamm`"),
            (format!("{HEAD}{ALL}[[methods]]\nmethod = ['pbam', 'gsm']\nrank = 3\n"), 5, "rank"),
            (format!("{HEAD}{ALL}{methods}{methods}"), 7, "two configurations"),
            (format!("{HEAD}{ALL}{methods}[limits]\nseconds = 'long'\n"), 8, "string"),
            (format!("{HEAD}{ALL}{methods}[limits]\nseconds = -1\n"), 7, "limits must be positive"),
            (format!("{HEAD}{methods}{ALL}tolerance = {{ location = nan }}\n"), 7, "must be 0 or more"),
            (format!("{HEAD}{ALL}{methods}[tolerance]\nlocation = 1\nlog_scale = -0.1\n"), 7, "must be 0 or more"),
            (format!("{HEAD}{methods}{OWN}except = ['x']\n"), 8, "your own"),
            (format!("{HEAD}{methods}{OWN}keywords = ['x']\n"), 8, "your own"),
            (format!("{HEAD}{methods}{OWN}expect = 'any'\nreference = true\n"), 9, "your own"),
            (format!("{HEAD}{methods}{OWN}quantities = [1, 2]\n"), 8, "your own"),
            (format!("{HEAD}limits = {{ gigabytes = 3 }}\n{ALL}{methods}"), 3, "gigabytes"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("suite.toml, line {line}: ")) && error.contains(part),
                "{error}\n{text}"
            );
        }
    }
}
