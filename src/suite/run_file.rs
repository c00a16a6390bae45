//! Run files: JSON lines, a header and then a line per job, each on the disk before the next begins.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::SuiteError;
use crate::document::{JobRecord, RUN_SCHEMA, RunHeader, RunToolchain, VERSION};
use crate::files;

/// How the header begins.
const BEGINNING: &str = "{\"schema\":\"stanmatch.run/1\"";

/// The header of a run that begins now, with an unknown toolchain: of the suite of this name, whose plan has this
/// fingerprint, so many cells and these seeds.
pub fn run_header(suite: &str, plan: String, cells: usize, seeds: Vec<u64>) -> RunHeader {
    RunHeader {
        schema: RUN_SCHEMA.to_owned(),
        suite: suite.to_owned(),
        description: String::new(),
        plan,
        version: VERSION.to_owned(),
        toolchain: None,
        cells,
        seeds,
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

/// Fails when results of runs with these headers must not stand in one file. `file` has the second.
fn agree(one: &RunHeader, other: &RunHeader, file: &Path, action: &'static str) -> Result<(), SuiteError> {
    let of = if one.version != other.version {
        "another version of stanmatch"
    } else if one.plan != other.plan || one.suite != other.suite {
        "another manifest, other programs or other data"
    } else if one.toolchain.as_ref().zip(other.toolchain.as_ref()).is_some_and(|(one, other)| differ(one, other)) {
        "another toolchain"
    } else {
        return Ok(());
    };
    Err(SuiteError::Other { file: file.to_owned(), of, action })
}

/// Whether results of both must not stand in one file. A compiler that only one has may have been installed between two
/// parts of a run.
fn differ(one: &RunToolchain, other: &RunToolchain) -> bool {
    let known = one.compiled.is_some() && other.compiled.is_some();
    one.instant != other.instant || (known && one.compiled != other.compiled)
}

/// What a run file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The first line.
    pub header: RunHeader,
    /// The jobs, sorted.
    pub records: Vec<JobRecord>,
}

impl Run {
    /// Reads a run file. A last line that was not written to its end does not count.
    ///
    /// # Errors
    /// When it cannot be read or another line is not a record.
    pub fn read(path: &Path) -> Result<Self, SuiteError> {
        let text = fs::read(path).map_err(|error| SuiteError::unreadable(path, error))?;
        let (run, _) = Self::parse(path, &text)?;
        Ok(run)
    }

    /// The posterior and the configuration of each record.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &str)> {
        self.records.iter().map(|record| (record.posterior.as_str(), record.configuration.as_str()))
    }

    /// How many jobs of the plan have no record.
    pub fn missing(&self) -> usize {
        self.header.cells.saturating_mul(self.header.seeds.len()).saturating_sub(self.records.len())
    }

    /// The run in `text`, and how many of its bytes are whole lines.
    fn parse(path: &Path, text: &[u8]) -> Result<(Self, usize), SuiteError> {
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let bad =
            |line: usize, reason: String| SuiteError::Line { file: path.to_owned(), line, kind: "run file", reason };
        let mut lines = text[..whole].split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let (_, first) = lines.next().ok_or_else(|| bad(1, "there is no header".to_owned()))?;
        let header: RunHeader = serde_json::from_slice(first).map_err(|error| bad(1, error.to_string()))?;
        if header.schema != RUN_SCHEMA {
            return Err(bad(1, format!("its schema is {}, not {RUN_SCHEMA}", header.schema)));
        }
        let mut records = BTreeMap::new();
        for (index, line) in lines {
            let record: JobRecord = serde_json::from_slice(line).map_err(|error| bad(index + 1, error.to_string()))?;
            let key = (record.posterior.clone(), record.configuration.clone(), record.seed);
            // A resumed run has tried again what failed for want of something.
            if records.insert(key, record).is_some_and(|before: JobRecord| !before.is_provisional()) {
                return Err(bad(index + 1, "this job is already in the file".to_owned()));
            }
        }
        Ok((Self { header, records: records.into_values().collect() }, whole))
    }
}

/// A run file that lines are added to. It is locked: nobody else adds lines.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    end: u64,
}

impl RunFile {
    /// Begins a run file at `path`, or with `resume` continues the one that is there. Returns it with the records
    /// that it holds already, but for [provisional](JobRecord::is_provisional) ones; a last line that was not written
    /// to its end is cut off.
    ///
    /// # Errors
    /// When there is one already, or with `resume` one that belongs to another plan; when another process writes it.
    pub fn open(path: &Path, header: &RunHeader, resume: bool) -> Result<(Self, Vec<JobRecord>), SuiteError> {
        let unwritable = |error| SuiteError::unwritable(path, error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(unwritable)?;
        if !file.metadata().map_err(unwritable)?.is_file() {
            return Err(unwritable(std::io::Error::other("it is not a regular file")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SuiteError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let text = fs::read(path).map_err(|error| SuiteError::unreadable(path, error))?;
        let mut run_file = Self { path: path.to_owned(), file, end: 0 };
        // Without a whole line the header itself was cut off; whatever else it is, it is not ours to cut.
        if !text.contains(&b'\n') {
            if !text.is_empty() && !resume {
                return Err(SuiteError::Exists(path.to_owned()));
            }
            let begin = BEGINNING.as_bytes();
            if !begin.starts_with(&text) && !text.starts_with(begin) {
                Run::parse(path, &[&text[..], b"\n"].concat())?;
            }
            run_file.cut()?;
            run_file.add(header)?;
            return Ok((run_file, Vec::new()));
        }
        if !resume {
            return Err(SuiteError::Exists(path.to_owned()));
        }
        let (run, whole) = Run::parse(path, &text)?;
        agree(header, &run.header, path, "resumed")?;
        if header.seeds != run.header.seeds {
            return Err(SuiteError::Other { file: path.to_owned(), of: "other seeds", action: "resumed" });
        }
        run_file.end = whole as u64;
        run_file.cut()?;
        Ok((run_file, run.records.into_iter().filter(|record| !record.is_provisional()).collect()))
    }

    /// Adds a job. The line is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written; what was written of it is cut off again.
    pub fn append(&mut self, record: &JobRecord) -> Result<(), SuiteError> {
        self.add(record)
    }

    fn add(&mut self, line: &impl Serialize) -> Result<(), SuiteError> {
        let stopped = |reason| SuiteError::Stopped { file: self.path.clone(), reason };
        let mut text = serde_json::to_vec(line).map_err(|error| stopped(error.into()))?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            let error = stopped(error);
            // Where this fails too, the next reader passes over the torn line.
            let _ = self.cut();
            return Err(error);
        }
        self.end += text.len() as u64;
        Ok(())
    }

    /// Leaves nothing after the last whole line.
    fn cut(&mut self) -> Result<(), SuiteError> {
        let cut = self.file.set_len(self.end).and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
        cut.map(|_| ()).map_err(|error| SuiteError::unwritable(&self.path, error))
    }
}

/// Joins run files of one plan, such as its shards or runs with other seeds, into one at `output`, sorted. Results that
/// are in several files must agree in all but time; one that says nothing of its job gives way to another.
///
/// # Errors
/// When a file cannot be read, belongs to another plan, or contradicts one before it; when the result cannot be
/// written.
pub fn merge(paths: &[PathBuf], output: &Path) -> Result<Run, SuiteError> {
    let mut merged: Option<RunHeader> = None;
    let mut records: BTreeMap<(String, String, u64), JobRecord> = BTreeMap::new();
    for path in paths {
        let run = Run::read(path)?;
        match &mut merged {
            None => merged = Some(run.header),
            Some(header) => {
                agree(header, &run.header, path, "merged")?;
                header.seeds.extend(run.header.seeds);
                header.seeds.sort_unstable();
                header.seeds.dedup();
            }
        }
        for record in run.records {
            let key = (record.posterior.clone(), record.configuration.clone(), record.seed);
            if let Some(known) = records.get(&key).filter(|known| !known.is_provisional()) {
                if !record.is_provisional() && known.without_times() != record.without_times() {
                    let job = format!("{} with {}, seed {}", key.0, key.1, key.2);
                    return Err(SuiteError::Conflict { file: path.clone(), job });
                }
                continue;
            }
            records.insert(key, record);
        }
    }
    let header = merged.ok_or_else(|| {
        let reason = "there are no run files to merge".to_owned();
        SuiteError::Empty { file: output.to_owned(), reason }
    })?;
    let run = Run { header, records: records.into_values().collect() };
    let unwritable = |error| SuiteError::unwritable(output, error);
    let mut text = serde_json::to_string(&run.header).map_err(|error| unwritable(error.into()))? + "\n";
    for record in &run.records {
        text += &serde_json::to_string(record).map_err(|error| unwritable(error.into()))?;
        text.push('\n');
    }
    files::write(output, text.as_bytes()).map_err(unwritable)?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mine() -> RunHeader {
        run_header("mine", "plan".to_owned(), 1, vec![1])
    }

    #[test]
    fn a_header_begins_as_it_is_known_to() {
        assert!(serde_json::to_string(&mine()).unwrap().starts_with(BEGINNING));
    }

    #[test]
    fn jobs_are_missing_from_a_plan_of_any_size() {
        let header = RunHeader { cells: 1 << 63, seeds: vec![1, 2], ..mine() };
        assert_eq!(Run { header, records: Vec::new() }.missing(), usize::MAX);
    }

    #[test]
    fn what_is_no_run_file_is_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        for foreign in ["my only copy", "{\"schema\":\"other/1\"", "{}", " "] {
            fs::write(&path, foreign).unwrap();
            let error = RunFile::open(&path, &mine(), true).unwrap_err().to_string();
            assert!(error.contains("line 1 is not a line of a run file"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        }
        for torn in ["", "{\"sch", BEGINNING, "{\"schema\":\"stanmatch.run/1\",\"suite\":\"mi"] {
            fs::write(&path, torn).unwrap();
            let (_, records) = RunFile::open(&path, &mine(), true).unwrap();
            assert!(records.is_empty() && fs::read_to_string(&path).unwrap().ends_with("}\n"));
        }
    }
}
