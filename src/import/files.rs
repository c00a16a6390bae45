//! Draws from one or several files, in whichever of the known formats they are.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use thiserror::Error;

use super::cmdstan_csv::{self, DrawsCsvError};
use super::limited_read::{ReadError, json_text, read_bounded};
use super::posteriordb_json::{self, DrawsJsonError};
use crate::draws::Draws;

/// The largest JSON text of draws that is read, in bytes. CSV may be of any size.
const LARGEST_JSON: u64 = 1 << 32;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// Draws from files, and what in the files was not taken for draws.
#[derive(Debug)]
pub struct Imported {
    /// The draws, chain after chain in the order of the files.
    pub draws: Draws,
    /// Quantities in the files that were not wanted.
    pub unwanted: Vec<String>,
    /// What else was left out, one sentence for each.
    pub notes: Vec<String>,
}

/// How draws are read.
pub struct Reading<'a> {
    /// Which quantities are kept, by name (`theta[1]`).
    pub wanted: &'a dyn Fn(&str) -> bool,
    /// Told how many bytes have been read, and how many there are.
    pub progress: &'a dyn Fn(u64, u64),
}

impl Default for Reading<'_> {
    /// Everything is kept, and nobody is told.
    fn default() -> Self {
        Self { wanted: &|_| true, progress: &|_, _| () }
    }
}

/// Why files gave no draws.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: ReadError,
    },
    /// A folder is no saved fit.
    #[error("the folder {} holds no draws-*.csv, as a saved fit does", .0.display())]
    NotAFit(PathBuf),
    /// A CSV file holds no draws.
    #[error("cannot use the draws {}: {reason}", .file.display())]
    Csv {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: DrawsCsvError,
    },
    /// A JSON file holds no draws.
    #[error("cannot use the draws {}: {reason}", .file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: DrawsJsonError,
    },
    /// Two files have different quantities.
    #[error("`{name}` is in {} but not in {}: draws of one fit have the same quantities", .has.display(), .lacks.display())]
    Names {
        /// The quantity.
        name: String,
        /// The file that has it.
        has: PathBuf,
        /// The file that lacks it.
        lacks: PathBuf,
    },
    /// No file was given.
    #[error("no file of draws was given")]
    NoFile,
}

/// All draws from `paths`; see [`Reading::read`].
///
/// # Errors
/// When a file cannot be read or its quantities are not those of the first.
pub fn read_draws(paths: &[PathBuf]) -> Result<Imported, ImportError> {
    Reading::default().read(paths)
}

impl Reading<'_> {
    /// Draws from `paths`, each a CmdStan CSV file (one chain), posteriordb's JSON or a zip archive of it (any number
    /// of chains), or the folder of a saved fit, whose `draws-1.csv` and so on are read. Formats are known by content,
    /// not by name.
    ///
    /// # Errors
    /// When a file cannot be read or its quantities are not those of the first.
    pub fn read(&self, paths: &[PathBuf]) -> Result<Imported, ImportError> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() { files.extend(draws_of_fit(path)?) } else { files.push(path.clone()) }
        }
        let size = |file: &PathBuf| file.metadata().map_or(0, |it| it.len());
        let total = files.iter().map(size).sum();
        let done = Cell::new(0);
        let (mut notes, mut unwanted) = (Vec::new(), Vec::new());
        let mut parts = Vec::with_capacity(files.len());
        for file in &files {
            let before = done.get();
            let told = |bytes| {
                done.set(done.get() + bytes);
                (self.progress)(done.get(), total);
            };
            let (draws, others) = read_one(file, self.wanted, &told, &mut notes)?;
            done.set(before + size(file));
            if parts.is_empty() {
                unwanted = others;
            }
            parts.push((file, draws));
        }
        Ok(Imported { draws: stack(parts)?, unwanted, notes })
    }
}

/// The chain, counted from 1, whose draws a file of this name holds in the folder of a saved fit.
pub fn chain_number(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("draws-")?.strip_suffix(".csv")?;
    digits.parse().ok().filter(|number: &usize| number.to_string() == digits)
}

/// The files of draws in the folder of a saved fit, chain by chain.
fn draws_of_fit(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let unreadable =
        |reason: std::io::Error| ImportError::Unreadable { file: folder.to_owned(), reason: reason.into() };
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if let Some(chain) = name.to_str().and_then(chain_number) {
            files.push((chain, entry.path()));
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(ImportError::NotAFit(folder.to_owned()));
    }
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The draws of the wanted quantities, and the names of the others.
fn read_one(
    file: &Path,
    wanted: &dyn Fn(&str) -> bool,
    told: &dyn Fn(u64),
    notes: &mut Vec<String>,
) -> Result<(Draws, Vec<String>), ImportError> {
    let unreadable = |reason: ReadError| ImportError::Unreadable { file: file.to_owned(), reason };
    // Opening a pipe would wait for its writer: look first.
    if !file.metadata().map_err(|error| unreadable(error.into()))?.is_file() {
        return Err(unreadable(ReadError::NotAFile));
    }
    let opened = File::open(file).map_err(|error| unreadable(error.into()))?;
    let mut reader = BufReader::with_capacity(BUFFER, Told { reader: opened, told });
    let beginning = reader.fill_buf().map_err(|error| unreadable(error.into()))?;
    if beginning.starts_with(b"PK\x03\x04") || matches!(beginning.trim_ascii_start().first(), Some(b'[' | b'{')) {
        let text = read_bounded(reader, LARGEST_JSON).and_then(|bytes| json_text(bytes, LARGEST_JSON));
        let draws = posteriordb_json::parse(&text.map_err(unreadable)?);
        let draws = draws.map_err(|reason| ImportError::Json { file: file.to_owned(), reason })?;
        return Ok((draws, Vec::new()));
    }
    let csv = cmdstan_csv::read(reader, wanted).map_err(|reason| ImportError::Csv { file: file.to_owned(), reason })?;
    let shown = file.display();
    if csv.cut_off {
        notes.push(format!("the last line of {shown} is cut off and left out"));
    }
    if csv.warm_up > 0 {
        notes.push(format!("the {} warm-up draws in {shown} are left out", csv.warm_up));
    }
    if csv.mean_row {
        notes.push(format!("the first row of {shown} is the approximation's mean, not a draw, and is left out"));
    }
    Ok((csv.draws, csv.unwanted))
}

/// A reader that tells how many bytes were read.
struct Told<'a, R> {
    reader: R,
    told: &'a dyn Fn(u64),
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        (self.told)(count as u64);
        Ok(count)
    }
}

/// Draws of the same quantities under each other, in the column order of the first.
fn stack(mut parts: Vec<(&PathBuf, Draws)>) -> Result<Draws, ImportError> {
    if parts.len() == 1 {
        return Ok(parts.remove(0).1);
    }
    let [(first_file, first), ..] = &parts[..] else { return Err(ImportError::NoFile) };
    let rows = parts.iter().map(|(_, draws)| draws.len()).sum();
    let mut values = Array2::zeros((rows, first.names().len()));
    let mut start = 0;
    for (file, draws) in &parts {
        let mut rows = values.slice_mut(ndarray::s![start..start + draws.len(), ..]);
        start += draws.len();
        // Chains of one tool have their columns in one order.
        if draws.names() == first.names() {
            rows.assign(&draws.values());
            continue;
        }
        let column: HashMap<&str, usize> =
            draws.names().iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        for (to, name) in first.names().iter().enumerate() {
            let &from = column.get(name.as_str()).ok_or_else(|| ImportError::Names {
                name: name.clone(),
                has: (*first_file).clone(),
                lacks: (*file).clone(),
            })?;
            rows.column_mut(to).assign(&draws.values().column(from));
        }
        if draws.names().len() > first.names().len() {
            let extra = draws.names().iter().find(|name| !first.names().contains(name)).expect("names are unique");
            let (has, lacks) = ((*file).clone(), (*first_file).clone());
            return Err(ImportError::Names { name: extra.clone(), has, lacks });
        }
    }
    let chain_lengths = parts.iter().flat_map(|(_, draws)| draws.chain_lengths()).copied().collect();
    Ok(Draws::new(first.names().to_vec(), values, chain_lengths).expect("the table has the first file's names"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use std::fs;

    fn read(folder: &Path, names: &[&str]) -> Result<Imported, ImportError> {
        read_draws(&names.iter().map(|name| folder.join(name)).collect::<Vec<_>>())
    }

    #[test]
    fn progress_goes_from_nothing_to_all_and_memory_holds_what_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let rows: String = (0..60_000).map(|row| format!("{row},0.123456789,{}.5\n", row % 7)).collect();
        for name in ["1.csv", "2.csv"] {
            fs::write(folder.path().join(name), format!("a,filler,b\n{rows}")).unwrap();
        }
        let seen = std::cell::RefCell::new(Vec::new());
        let reading =
            Reading { wanted: &|name| name == "b", progress: &|done, total| seen.borrow_mut().push((done, total)) };
        let imported = reading.read(&[folder.path().join("1.csv"), folder.path().join("2.csv")]).unwrap();
        assert_eq!((imported.draws.names(), imported.draws.len()), (&["b".to_owned()][..], 120_000));
        assert_eq!(imported.unwanted, ["a", "filler"]);
        let seen = seen.into_inner();
        let total = 2 * fs::metadata(folder.path().join("1.csv")).unwrap().len();
        assert!(seen.is_sorted() && seen.len() > 4 && seen.iter().all(|step| step.1 == total), "{seen:?}");
        assert_eq!(seen.last().unwrap().0, total);
    }

    #[test]
    fn files_become_chains_whatever_their_format_and_column_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1.csv"), "lp__,a,b.1\n0,1,2\n0,3,4\n").unwrap();
        fs::write(folder.path().join("2.csv"), "b.1,a\n6,5\n").unwrap();
        fs::write(folder.path().join("3"), r#" [{"b[1]": [8], "a": [7]}, {"a": [9], "b[1]": [10]}]"#).unwrap();
        let draws = read(folder.path(), &["1.csv", "2.csv", "3"]).unwrap().draws;
        assert_eq!(draws.names(), ["a", "b[1]"]);
        assert_eq!(draws.chain_lengths(), [2, 1, 1, 1]);
        assert_eq!(draws.values(), array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]);
    }

    #[test]
    fn a_folder_stands_for_the_draws_of_a_saved_fit() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path(), &[""]), Err(ImportError::NotAFit(_))));
        fs::write(folder.path().join("fit.json"), "{}").unwrap();
        fs::write(folder.path().join("draws-1.csv"), "a\n1\n").unwrap();
        fs::write(folder.path().join("draws-2.csv"), "a\n2\n").unwrap();
        fs::write(folder.path().join("draws-10.csv"), "a\n10\n").unwrap();
        for other in ["draws-backup.csv", "draws-.csv", "draws-02.csv", "draws-+3.csv"] {
            fs::write(folder.path().join(other), "something else").unwrap();
        }
        assert_eq!(read(folder.path(), &[""]).unwrap().draws.values(), array![[1.0], [2.0], [10.0]]);
    }

    #[test]
    fn files_of_other_quantities_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), "a\n1\n").unwrap();
        fs::write(folder.path().join("ab.csv"), "a,b\n1,2\n").unwrap();
        for names in [["a.csv", "ab.csv"], ["ab.csv", "a.csv"]] {
            let message = read(folder.path(), &names).unwrap_err().to_string();
            assert!(message.contains("`b`") && message.contains("ab.csv but not in"), "{message}");
        }
        assert!(matches!(read_draws(&[]), Err(ImportError::NoFile)));
    }

    #[test]
    fn what_is_left_out_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), "a\n1\n2\n# Adaptation terminated\n3\n4").unwrap();
        let notes = read(folder.path(), &["a.csv"]).unwrap().notes;
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("cut off") && notes[1].contains("2 warm-up draws"), "{notes:?}");
    }

    #[test]
    fn an_unusable_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bad.json"), "{}").unwrap();
        fs::write(folder.path().join("bad.zip"), "PK").unwrap();
        fs::write(folder.path().join("bad.csv"), "a\nx\n").unwrap();
        for name in ["bad.json", "bad.zip", "bad.csv", "absent.csv"] {
            let message = read(folder.path(), &[name]).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
