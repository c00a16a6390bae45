//! What a manifest means for a database: the cells, each a posterior and a configuration, and the jobs, each a cell and
//! a seed.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::process::{Pid, getpid};
use sha2::{Digest, Sha256};
use toml::Spanned;
use wildmatch::WildMatch;

use super::job::{JobRequest, PosteriorSource};
use super::manifest::Selection;
use super::{Limits, Manifest, SuiteError, Tolerance};
use crate::database::{self, Database, DatabaseError, Posterior};
use crate::document::{Expectation, JobRecord};
use crate::fit::{FitArguments, FitError, FitOption};
use crate::import::{LARGEST_TEXT, read_file};
use crate::program::Program;
use crate::toolchain::Choice;

/// What the command line says in place of the manifest.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The database, for a manifest that leaves it to be given or names a folder.
    pub posteriordb: Option<PathBuf>,
    /// The folder of programs.
    pub models: Option<PathBuf>,
    /// How many seeds.
    pub seeds: Option<u64>,
    /// The first of the seeds.
    pub first_seed: Option<u64>,
}

/// The cells and seeds of a suite.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The suite's name.
    pub suite: String,
    /// What it is there for.
    pub description: String,
    /// By posterior, and for each in the manifest's order of configurations.
    pub cells: Vec<Cell>,
    /// The seeds of every cell.
    pub seeds: Vec<u64>,
    /// What the patterns passed over because it is broken, a sentence each.
    pub warnings: Vec<String>,
    /// The folder of the database; None for the embedded one.
    posteriordb: Option<PathBuf>,
    models: Option<PathBuf>,
}

/// A posterior and a configuration.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The posterior's name.
    pub posterior: String,
    /// The configuration's name.
    pub configuration: String,
    /// Where the posterior comes from.
    pub source: Source,
    /// What the configuration asks of a fit, within the limits of its jobs; the seed is the job's.
    pub fit: FitArguments,
    /// What a job may use.
    pub limits: Limits,
    /// When a fit is within tolerance.
    pub tolerance: Tolerance,
    /// What each job is expected to come to.
    pub expect: Expectation,
}

/// Where a posterior comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The database.
    Database(Box<Posterior>),
    /// An own program, or a compiled library, with its data.
    Files {
        /// The program, or a library that ends in `.so`.
        program: PathBuf,
        /// The data.
        data: Option<PathBuf>,
    },
}

impl Source {
    /// Hands every part of it to `add`. What a database lacks fails in its own job, with a message that names it.
    fn digest(&self, add: &mut impl FnMut(&[u8])) -> Result<(), SuiteError> {
        let mut add_program = |program: &Program| {
            add(program.source().as_bytes());
            for (name, text) in program.included() {
                add(name.as_bytes());
                add(text.as_bytes());
            }
        };
        match self {
            Self::Database(posterior) => {
                if let Ok(program) = posterior.program() {
                    add_program(&program);
                }
                add(posterior.data().unwrap_or_default().as_bytes());
                if let Ok(Some(reference)) = posterior.reference() {
                    reference.draws.names().iter().for_each(|name| add(name.as_bytes()));
                    let values: Vec<u8> =
                        reference.draws.values().iter().flat_map(|value| value.to_le_bytes()).collect();
                    add(&values);
                    add(&serde_json::to_vec(&reference.info.summaries).unwrap_or_default());
                }
            }
            Self::Files { program, data } => {
                let read = |path: &Path| fs::read(path).map_err(|error| SuiteError::unreadable(path, error));
                let text = Some(program).filter(|it| !Program::is_library(it)).and_then(|it| Program::file(it).ok());
                match text {
                    Some(text) => add_program(&text),
                    None => add(&read(program)?),
                }
                add(&data.as_deref().map_or(Ok(Vec::new()), read)?);
            }
        }
        Ok(())
    }

    /// Whether the two are of the same files; a name has one posterior in a database.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Database(one), Self::Database(other)) => one.name == other.name,
            (Self::Files { program, data }, Self::Files { program: other_program, data: other_data }) => {
                program == other_program && data == other_data
            }
            _ => false,
        }
    }
}

/// One fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Job {
    /// The place of its cell in [`Plan::cells`].
    pub cell: usize,
    /// The seed.
    pub seed: u64,
}

/// A part of a plan's jobs, written `I/N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("a shard is written I/N, with I from 1 to N".to_owned()),
        }
    }
}

impl Plan {
    /// What `manifest` asks for.
    ///
    /// # Errors
    /// When the database cannot be opened, a posterior is not in it, a file of an own program is missing, or nothing is
    /// left to run.
    pub fn new(manifest: &Manifest, overrides: &Overrides) -> Result<Self, SuiteError> {
        let empty = |reason: &str| SuiteError::Empty { file: manifest.file().to_owned(), reason: reason.to_owned() };
        let posteriordb = match (manifest.database.as_str(), &overrides.posteriordb) {
            ("embedded", None) => None,
            ("embedded", Some(_)) => return Err(SuiteError::DatabaseGiven(manifest.file().to_owned())),
            ("given", None) => return Err(SuiteError::NoDatabaseGiven(manifest.file().to_owned())),
            (_, Some(given)) => Some(given.clone()),
            (folder, None) => Some(manifest.path(folder)),
        };
        let models = overrides.models.clone().or_else(|| manifest.models.as_ref().map(|path| manifest.path(path)));
        let database = Database::open(posteriordb.as_deref(), models.as_deref())?;
        let configurations = manifest.configurations()?;
        for configuration in &configurations {
            if let Some(file) = configuration.fit.init_file().filter(|file| !Path::new(file).is_file()) {
                let reason = format!("there is no file {file}, nor an init of this name");
                return Err(manifest.error_on(configuration.line, reason));
            }
        }
        let mut cells = BTreeMap::new();
        let mut sources: BTreeMap<String, Source> = BTreeMap::new();
        let mut warnings = Vec::new();
        for entry in &manifest.posteriors {
            let it = entry.get_ref();
            let wanted = |name: &str| it.methods.as_ref().is_none_or(|methods| matches_any(methods, name));
            let chosen: Vec<_> = configurations.iter().enumerate().filter(|(_, it)| wanted(&it.name)).collect();
            if chosen.is_empty() {
                return Err(manifest.error_at(entry, "`methods` matches no configuration"));
            }
            for (posterior, source) in selected(manifest, entry, &database, &mut warnings)? {
                if !sources.entry(posterior.clone()).or_insert_with(|| source.clone()).is(&source) {
                    let reason =
                        format!("`{posterior}` already names another program or other data: rename one of them");
                    return Err(manifest.error_at(entry, reason));
                }
                for &(position, configuration) in &chosen {
                    let limits = manifest.limits(it);
                    let cell = Cell {
                        posterior: posterior.clone(),
                        configuration: configuration.name.clone(),
                        source: source.clone(),
                        fit: limited(&configuration.fit, &limits),
                        limits,
                        tolerance: manifest.tolerance(it),
                        expect: manifest.expect(it),
                    };
                    // A later entry replaces what an earlier one says of the same cell.
                    cells.insert((posterior.clone(), position), cell);
                }
            }
        }
        if cells.is_empty() {
            return Err(empty("no posterior is selected"));
        }
        let first = overrides.first_seed.unwrap_or(manifest.first_seed);
        let count = overrides.seeds.unwrap_or_else(|| manifest.seeds());
        let seeds = (0..count).map(|index| first.wrapping_add(index)).collect();
        warnings.sort();
        warnings.dedup();
        let cells = cells.into_values().collect();
        let (suite, description) = (manifest.name.clone(), manifest.description.clone());
        Ok(Self { suite, description, cells, seeds, warnings, posteriordb, models })
    }

    /// Every job, cell by cell, or those of one shard: each shard is a run of neighbours, so that few programs are
    /// compiled in more than one.
    pub fn jobs(&self, shard: Option<Shard>) -> Vec<Job> {
        let all: Vec<Job> =
            (0..self.cells.len()).flat_map(|cell| self.seeds.iter().map(move |&seed| Job { cell, seed })).collect();
        let Some(shard) = shard else { return all };
        let bound = |part: usize| (all.len() as u128 * part as u128 / shard.count as u128) as usize;
        all[bound(shard.index - 1)..bound(shard.index)].to_vec()
    }

    /// The jobs of [`jobs`](Self::jobs) that are not in `done`.
    pub fn remaining_jobs(&self, shard: Option<Shard>, done: &[JobRecord]) -> Vec<Job> {
        let done: HashSet<_> = done.iter().map(JobRecord::key).collect();
        let mut jobs = self.jobs(shard);
        jobs.retain(|job| {
            let cell = &self.cells[job.cell];
            !done.contains(&(cell.posterior.as_str(), cell.configuration.as_str(), job.seed))
        });
        jobs
    }

    /// What a worker is asked to do for a job: a fit on one thread, saved in `output` where that is given.
    pub fn request(&self, job: Job, toolchain: Choice, output: Option<PathBuf>) -> JobRequest {
        let cell = &self.cells[job.cell];
        let posterior = match &cell.source {
            Source::Database(posterior) => PosteriorSource::Database {
                name: posterior.name.clone(),
                posteriordb: self.posteriordb.clone(),
                models: self.models.clone(),
            },
            Source::Files { program, data } => PosteriorSource::Files { program: program.clone(), data: data.clone() },
        };
        JobRequest {
            coordinator: Pid::as_raw_pid(getpid()),
            posterior,
            fit: FitArguments { seed: job.seed, ..cell.fit.clone() },
            limits: cell.limits,
            threads: 1,
            toolchain,
            output,
            load_only: false,
        }
    }

    /// Whether a job is the one of its cell whose fit is saved, where fits are.
    pub fn is_shown(&self, job: Job) -> bool {
        self.seeds.first() == Some(&job.seed)
    }

    /// A hash of all that results depend on but the seeds: programs with what they include, data, reference draws,
    /// options with the file that the init names, limits and expectations.
    ///
    /// # Errors
    /// When a file of an own program cannot be read.
    pub fn fingerprint(&self) -> Result<String, SuiteError> {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        };
        let mut last = None;
        for cell in &self.cells {
            add(cell.posterior.as_bytes());
            if last != Some(&cell.posterior) {
                cell.source.digest(&mut add)?;
                last = Some(&cell.posterior);
            }
            add(cell.configuration.as_bytes());
            let mut fit = cell.fit.clone();
            if let Some(file) = fit.init_file() {
                // What cannot be read fails in its own job. The file's name says nothing.
                add(&read_file(Path::new(file), LARGEST_TEXT).unwrap_or_default());
                fit.init = None;
            }
            add(&serde_json::to_vec(&fit).unwrap_or_default());
            add(format!("{:?} {:?} {:?}", cell.limits, cell.tolerance, cell.expect).as_bytes());
        }
        Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// A fit with the budget that `limits` give it, where its method takes one.
fn limited(fit: &FitArguments, limits: &Limits) -> FitArguments {
    let limited = FitArguments { budget: limits.gradients, ..fit.clone() };
    match limited.options(None) {
        Err(FitError::UnusedArgument { option: FitOption::Budget, .. }) => fit.clone(),
        _ => limited,
    }
}

/// The name of the folder in which a cell's fit is saved: one plain name, another one for each cell, whatever a
/// manifest calls them.
pub fn fit_folder(posterior: &str, configuration: &str) -> String {
    let plain = |text: &str| -> String {
        let escaped = |byte: u8| match byte {
            b if b.is_ascii_alphanumeric() || b"-_=,".contains(&b) => char::from(b).to_string(),
            b => format!("~{b:02X}"),
        };
        text.bytes().map(escaped).collect()
    };
    format!("{}.{}", plain(posterior), plain(configuration))
}

/// The posteriors that an entry stands for. A pattern passes over what is broken, with a warning.
fn selected(
    manifest: &Manifest,
    entry: &Spanned<Selection>,
    database: &Database,
    warnings: &mut Vec<String>,
) -> Result<Vec<(String, Source)>, SuiteError> {
    let it = entry.get_ref();
    if let (Some(name), Some(program)) = (&it.name, &it.program) {
        let files = [Some(program), it.data.as_ref()].map(|path| path.map(|path| manifest.path(path)));
        if let Some(missing) = files.iter().flatten().find(|path| !path.is_file()) {
            return Err(manifest.error_at(entry, format!("there is no file {}", missing.display())));
        }
        let [program, data] = files;
        let program = program.unwrap_or_default();
        return Ok(vec![(name.get_ref().clone(), Source::Files { program, data })]);
    }
    let filter = database::Selection {
        patterns: Vec::new(),
        reference: it.reference.as_ref().map(|wanted| *wanted.get_ref()),
        quantities: it.quantities.as_ref().map(|range| range.get_ref()[0]..=range.get_ref()[1]),
        keywords: it.keywords.iter().map(|keyword| keyword.get_ref().clone()).collect(),
    };
    let mut kept = Vec::new();
    for wanted in &it.select {
        let text = wanted.get_ref();
        let refused = |error: DatabaseError| manifest.error_at(wanted, error.to_string());
        let names = database.matching(std::slice::from_ref(text)).map_err(refused)?;
        if names.is_empty() {
            return Err(manifest.error_at(wanted, format!("`{text}` matches no posterior")));
        }
        for name in names.into_iter().filter(|name| !matches_any(&it.except, name)) {
            match database.posterior(&name) {
                Ok(posterior) if filter.admits(&posterior) => kept.push((name, Source::Database(Box::new(posterior)))),
                Ok(_) => {}
                Err(error) if database::Selection::is_pattern(text) => warnings.push(error.to_string()),
                Err(error) => return Err(refused(error)),
            }
        }
    }
    Ok(kept)
}

/// Whether `name` matches one of the patterns.
fn matches_any(patterns: &[Spanned<String>], name: &str) -> bool {
    patterns.iter().any(|pattern| WildMatch::new(pattern.get_ref()).matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(posteriors: &str) -> Result<Plan, SuiteError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("suite.toml");
        let methods = "[[methods]]\nmethod = ['bam', 'gsm']\n";
        fs::write(&file, format!("name = 'x'\nseeds = 3\n{methods}{posteriors}")).unwrap();
        Plan::new(&Manifest::read(&file)?, &Overrides::default())
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.cells.iter().map(|cell| format!("{} {}", cell.posterior, cell.configuration)).collect()
    }

    #[test]
    fn posteriors_are_chosen_by_name_alias_pattern_and_filter() {
        let one = plan("[[posteriors]]\nselect = ['eight_schools']\nmethods = ['b*']\n").unwrap();
        assert_eq!(names(&one), ["eight_schools-eight_schools_noncentered bam"]);
        let two = plan("[[posteriors]]\nselect = ['eight_*']\nexcept = ['*noncentered']\n").unwrap();
        assert_eq!(
            names(&two),
            ["eight_schools-eight_schools_centered bam", "eight_schools-eight_schools_centered gsm"]
        );
        let alias = plan("[[posteriors]]\nselect = ['eight_school?']\nmethods = ['b*']\n").unwrap();
        assert_eq!(names(&alias), names(&one));
        let small = plan("[[posteriors]]\nselect = ['no_data*', 'eight_*']\nquantities = [1, 2]\n").unwrap();
        assert!(small.cells.iter().all(|cell| cell.posterior.starts_with("no_data")) && !small.cells.is_empty());
    }

    #[test]
    fn a_later_entry_replaces_an_earlier_one_for_its_methods() {
        let text = "[[posteriors]]\nselect = ['eight_schools']\n\
            [[posteriors]]\nselect = ['eight_schools']\nmethods = ['gsm']\nexpect = 'flagged'\n";
        let cells = plan(text).unwrap().cells;
        assert_eq!(
            cells.iter().map(|cell| cell.expect).collect::<Vec<_>>(),
            [Expectation::Within, Expectation::Flagged]
        );
    }

    #[test]
    fn what_is_not_there_names_its_line() {
        for (text, part) in [
            ("[[posteriors]]\nselect = ['eigth_schools']\n", "line 6: there is no posterior"),
            ("[[posteriors]]\nname = 'mine'\nprogram = 'no.stan'\n", "line 5: there is no file"),
            ("[[posteriors]]\nselect = ['*']\nmethods = ['nuts*']\n", "line 5: `methods`"),
            ("[[posteriors]]\nselect = ['*', 'eigth*']\n", "line 6: `eigth*` matches no posterior"),
            ("[[posteriors]]\nselect = ['*']\nkeywords = ['none such']\n", "no posterior is selected"),
        ] {
            let error = plan(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_name_has_one_program_with_one_set_of_data() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = Vec::new();
        for name in ["a.stan", "b.stan"] {
            fs::write(folder.path().join(name), "").unwrap();
            own.push(format!("[[posteriors]]\nname = 'mine'\nprogram = '{}'\n", folder.path().join(name).display()));
        }
        assert_eq!(plan(&[own[0].as_str(), &own[0]].concat()).unwrap().cells.len(), 2);
        let error = plan(&own.concat()).unwrap_err().to_string();
        assert!(error.contains("line 8: `mine` already names another program"), "{error}");
    }

    #[test]
    fn the_fingerprint_sees_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = ["model.stan", "part.stan", "data.json", "init.json"];
        fs::write(
            path("suite.toml"),
            "name = 'x'\nseeds = 3\n[[methods]]\ninit = 'INIT'\n[[posteriors]]\n\
            name = 'mine'\nprogram = 'model.stan'\ndata = 'data.json'\n"
                .replace("INIT", path("init.json").to_str().unwrap()),
        )
        .unwrap();
        let write = |changed: &str| {
            let more = |name| if name == changed { " " } else { "" };
            fs::write(path("model.stan"), format!("#include part.stan\n{}", more("model.stan"))).unwrap();
            files[1..].iter().for_each(|name| fs::write(path(name), format!("1{}", more(name))).unwrap());
        };
        let fingerprint = || {
            let manifest = Manifest::read(&path("suite.toml")).unwrap();
            Plan::new(&manifest, &Overrides::default()).unwrap().fingerprint().unwrap()
        };
        write("");
        let unchanged = fingerprint();
        assert_eq!(fingerprint(), unchanged);
        for file in files {
            write(file);
            assert_ne!(fingerprint(), unchanged, "{file}");
        }
    }

    #[test]
    fn a_job_is_asked_for_by_its_posterior_and_its_seed() {
        let folder = tempfile::tempdir().unwrap();
        let posteriors = folder.path().join("posteriors");
        fs::create_dir(&posteriors).unwrap();
        fs::write(posteriors.join("-trace=x.json"), r#"{"model_name": "m", "data_name": "d"}"#).unwrap();
        let database = format!("database = '{}'\n[[posteriors]]\nselect = ['*']\n", folder.path().display());
        let file = folder.path().join("suite.toml");
        fs::write(&file, format!("name = 'x'\nseeds = 1\n{database}[[methods]]\nmethod = 'bam'\n")).unwrap();
        let plan = Plan::new(&Manifest::read(&file).unwrap(), &Overrides::default()).unwrap();
        let request = plan.request(Job { cell: 0, seed: 7 }, Choice::Httpstan, None);
        let posteriordb = Some(folder.path().to_owned());
        let expected = PosteriorSource::Database { name: "-trace=x".to_owned(), posteriordb, models: None };
        assert_eq!((request.posterior, request.toolchain, request.threads), (expected, Choice::Httpstan, 1));
        assert_eq!(request.fit, FitArguments { method: "bam".to_owned(), seed: 7, ..FitArguments::default() });
    }

    #[test]
    fn a_limit_of_gradients_is_a_budget_where_the_method_takes_one() {
        let budget = |method: &str| {
            let fit = FitArguments { method: method.to_owned(), ..FitArguments::default() };
            limited(&fit, &Limits { gradients: Some(9000), ..Limits::default() }).budget
        };
        assert_eq!(["bam", "nuts", "laplace"].map(budget), [Some(9000), Some(9000), None]);
    }

    #[test]
    fn an_init_that_is_no_file_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("suite.toml");
        let plan = || Plan::new(&Manifest::read(&file).unwrap(), &Overrides::default());
        let posteriors = "[[posteriors]]\nselect = ['eight_schools']\n";
        fs::write(&file, format!("name = 'x'\nseeds = 1\n[[methods]]\ninit = 'init.json'\n{posteriors}")).unwrap();
        let error = plan().unwrap_err().to_string();
        assert!(error.contains("line 3: there is no file") && error.contains("init.json"), "{error}");
        fs::write(folder.path().join("init.json"), "{}").unwrap();
        assert_eq!(plan().unwrap().cells[0].fit.init_file(), folder.path().join("init.json").to_str());
    }

    #[test]
    fn what_a_pattern_passes_over_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let posteriors = folder.path().join("posteriors");
        fs::create_dir(&posteriors).unwrap();
        for (name, text) in [("sound", r#"{"model_name": "m", "data_name": "d"}"#), ("broken", "{"), ("known", "{")] {
            fs::write(posteriors.join(format!("{name}.json")), text).unwrap();
        }
        let entry = "[[posteriors]]\nselect = ['*', '*o*']\nexcept = ['known']\n";
        let file = folder.path().join("suite.toml");
        let head = format!("name = 'x'\nseeds = 1\ndatabase = '{}'\n", folder.path().display());
        fs::write(&file, format!("{head}{entry}[[methods]]\nmethod = 'bam'\n")).unwrap();
        let plan = Plan::new(&Manifest::read(&file).unwrap(), &Overrides::default()).unwrap();
        assert_eq!((names(&plan), plan.warnings.len()), (vec!["sound bam".to_owned()], 1));
        assert!(plan.warnings[0].contains("broken.json"), "{:?}", plan.warnings);
    }

    #[test]
    fn a_given_database_is_never_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("suite.toml");
        let plan = |database: &str, posteriordb: Option<&str>| {
            let rest = "[[posteriors]]\nselect = ['*']\n[[methods]]\nmethod = 'bam'\n";
            fs::write(&file, format!("name = 'x'\nseeds = 1\ndatabase = '{database}'\n{rest}")).unwrap();
            let overrides = Overrides { posteriordb: posteriordb.map(PathBuf::from), ..Overrides::default() };
            Plan::new(&Manifest::read(&file).unwrap(), &overrides)
                .map(|plan| plan.cells.len())
                .map_err(|it| it.to_string())
        };
        assert!(plan("embedded", None).unwrap() > 0);
        assert!(
            plan("embedded", Some("given")).unwrap_err().contains("uses the embedded database, but another was given")
        );
        assert!(plan("given", None).unwrap_err().contains("needs a database to be given"));
        assert!(plan("given", Some("mine")).unwrap_err().contains("mine"));
        assert!(plan("named", Some("mine")).unwrap_err().contains("mine"));
        assert!(plan("named", None).unwrap_err().contains("named"));
    }

    #[test]
    fn a_shard_of_any_number_has_its_part() {
        let plan = plan("[[posteriors]]\nselect = ['eight_schools']\n").unwrap();
        let jobs = |shard: &str| plan.jobs(Some(shard.parse().unwrap())).len();
        assert_eq!([jobs("1/2"), jobs("2/2"), jobs("1/1")], [3, 3, 6]);
        let many = 1_usize << 63;
        assert_eq!([jobs(&format!("{many}/{many}")), jobs(&format!("1/{many}"))], [1, 0]);
    }

    #[test]
    fn folders_of_fits_are_plain_and_differ() {
        assert_eq!(fit_folder("eight_schools", "bam/batch=8"), "eight_schools.bam~2Fbatch=8");
        assert_eq!(fit_folder("..", "a.b"), "~2E~2E.a~2Eb");
        assert_ne!(fit_folder("a.b", "c"), fit_folder("a", "b.c"));
    }

    #[test]
    fn shards_partition_the_jobs() {
        let plan = plan("[[posteriors]]\nselect = ['*']\n").unwrap();
        let whole = plan.jobs(None);
        for count in [1, 2, 7, 1000] {
            let parts: Vec<Job> = (1..=count).flat_map(|index| plan.jobs(Some(Shard { index, count }))).collect();
            assert_eq!(parts, whole);
        }
        assert!("0/3".parse::<Shard>().is_err() && "4/3".parse::<Shard>().is_err() && "3".parse::<Shard>().is_err());
    }
}
