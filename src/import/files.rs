//! Draws from one or several files, in whichever of the known formats they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use thiserror::Error;

use super::bounded::{ReadError, json_text, read_file};
use super::cmdstan_csv::{self, DrawsCsvError};
use super::posteriordb_json::{self, DrawsJsonError};
use crate::draws::Draws;

/// The largest file of draws that is read, in bytes.
const LARGEST_FILE: u64 = 1 << 32;

/// Draws from files, and what in the files was not taken for draws.
#[derive(Debug)]
pub struct Imported {
    /// The draws, chain after chain in the order of the files.
    pub draws: Draws,
    /// What was left out, one sentence for each.
    pub notes: Vec<String>,
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

/// Draws from `paths`, each a CmdStan CSV file (one chain), posteriordb's JSON or a zip archive of it (any number of
/// chains), or the folder of a saved fit, whose `draws-*.csv` are read. Formats are known by content, not by name.
///
/// # Errors
/// When a file cannot be read or its quantities are not those of the first.
pub fn read_draws(paths: &[PathBuf]) -> Result<Imported, ImportError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() { files.extend(draws_of_fit(path)?) } else { files.push(path.clone()) }
    }
    let mut notes = Vec::new();
    let parts = files.iter().map(|file| Ok((file, read_one(file, &mut notes)?))).collect::<Result<Vec<_>, _>>()?;
    Ok(Imported { draws: stack(&parts)?, notes })
}

/// The files of draws in the folder of a saved fit, in the order of their names.
fn draws_of_fit(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let unreadable =
        |reason: std::io::Error| ImportError::Unreadable { file: folder.to_owned(), reason: reason.into() };
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("draws-") && name.ends_with(".csv")) {
            files.push(entry.path());
        }
    }
    files.sort();
    if files.is_empty() { Err(ImportError::NotAFit(folder.to_owned())) } else { Ok(files) }
}

fn read_one(file: &Path, notes: &mut Vec<String>) -> Result<Draws, ImportError> {
    let unreadable = |reason| ImportError::Unreadable { file: file.to_owned(), reason };
    let bytes = read_file(file, LARGEST_FILE).map_err(unreadable)?;
    if bytes.starts_with(b"PK\x03\x04") || matches!(bytes.trim_ascii_start().first(), Some(b'[' | b'{')) {
        let text = json_text(bytes, LARGEST_FILE).map_err(unreadable)?;
        return posteriordb_json::parse(&text).map_err(|reason| ImportError::Json { file: file.to_owned(), reason });
    }
    let csv = cmdstan_csv::parse(&bytes).map_err(|reason| ImportError::Csv { file: file.to_owned(), reason })?;
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
    Ok(csv.draws)
}

/// Draws of the same quantities under each other, in the column order of the first.
fn stack(parts: &[(&PathBuf, Draws)]) -> Result<Draws, ImportError> {
    let [(first_file, first), rest @ ..] = parts else { return Err(ImportError::NoFile) };
    if rest.is_empty() {
        return Ok(first.clone());
    }
    let rows = parts.iter().map(|(_, draws)| draws.len()).sum();
    let mut values = Array2::zeros((rows, first.names().len()));
    let mut start = 0;
    for (file, draws) in parts {
        let column: HashMap<&str, usize> =
            draws.names().iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        for (to, name) in first.names().iter().enumerate() {
            let &from = column.get(name.as_str()).ok_or_else(|| ImportError::Names {
                name: name.clone(),
                has: (*first_file).clone(),
                lacks: (*file).clone(),
            })?;
            values.slice_mut(ndarray::s![start..start + draws.len(), to]).assign(&draws.values().column(from));
        }
        if draws.names().len() > first.names().len() {
            let extra = draws.names().iter().find(|name| !first.names().contains(name)).expect("names are unique");
            let (has, lacks) = ((*file).clone(), (*first_file).clone());
            return Err(ImportError::Names { name: extra.clone(), has, lacks });
        }
        start += draws.len();
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
        assert_eq!(read(folder.path(), &[""]).unwrap().draws.values(), array![[1.0], [2.0]]);
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
