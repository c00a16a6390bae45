//! Where a database's files are: a folder on disk or the copy compiled into the binary.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::{DatabaseError, embedded};
use crate::import::{LARGEST_TEXT, ReadError, json_text, read_file};

/// The files of one database. Paths are relative, with `/` between their parts.
#[derive(Debug, Clone)]
pub(super) enum Files {
    Directory(PathBuf),
    Embedded,
}

impl Files {
    /// The text of the file at `path`, JSON or a zip archive of it; `None` when there is no such file.
    pub fn json(&self, path: &str) -> Result<Option<String>, DatabaseError> {
        let bytes = match self {
            Self::Embedded => embedded::file(path).map(<[u8]>::to_vec),
            Self::Directory(root) => match read_file(&root.join(path), LARGEST_TEXT) {
                Err(ReadError::Io(error)) if is_absence(&error) => None,
                other => Some(other.map_err(|reason| self.unreadable(path, reason))?),
            },
        };
        let text = bytes.map(|bytes| json_text(bytes, LARGEST_TEXT)).transpose();
        text.map_err(|reason| self.unreadable(path, reason))
    }

    /// Whether there is a file at `path`.
    pub fn contain(&self, path: &str) -> bool {
        match self {
            Self::Embedded => embedded::file(path).is_some(),
            Self::Directory(root) => root.join(path).is_file(),
        }
    }

    /// The first of `paths` that exists, with its text.
    pub fn first_json<'a>(&self, paths: &'a [String]) -> Result<Option<(&'a str, String)>, DatabaseError> {
        for path in paths {
            if let Some(text) = self.json(path)? {
                return Ok(Some((path, text)));
            }
        }
        Ok(None)
    }

    /// The names, without extension, of the JSON files in `folder`, sorted.
    pub fn json_names(&self, folder: &str) -> Result<Vec<String>, DatabaseError> {
        let paths: Vec<PathBuf> = match self {
            Self::Embedded => embedded::paths(folder),
            Self::Directory(root) => {
                let unreadable = |reason: io::Error| self.unreadable(folder, reason.into());
                let entries = root.join(folder).read_dir().map_err(unreadable)?;
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(unreadable)?
            }
        };
        let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned());
        // A Mac's archives leave files such as `._NAME.json` behind.
        let mut names: Vec<String> = paths.iter().filter_map(name).filter(|name| !name.starts_with('.')).collect();
        names.sort();
        Ok(names)
    }

    /// How messages call the file at `path`.
    pub fn shown(&self, path: &str) -> String {
        match self {
            Self::Directory(root) => root.join(path).display().to_string(),
            Self::Embedded => format!("the embedded posteriordb/{path}"),
        }
    }

    fn unreadable(&self, path: &str, reason: ReadError) -> DatabaseError {
        DatabaseError::Unreadable { file: self.shown(path), reason }
    }
}

/// Whether an error says that a file does not exist, be it that a part of its path is no folder.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a name from a file can stand as one part of a path below the database.
pub(super) fn is_plain_name(name: &str) -> bool {
    is_inside(name) && !name.contains('/')
}

/// Whether a path from a file stays below the folder it is relative to, on every platform.
pub(super) fn is_inside(path: &str) -> bool {
    let plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    let odd = |c: char| c.is_control() || c == '\\' || c == ':';
    Path::new(path).components().all(plain) && Path::new(path).file_name().is_some() && !path.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_their_folder_are_inside() {
        for path in ["models/stan/a.stan", "./a", "a b", "a..b", "1"] {
            assert!(is_inside(path), "{path}");
        }
        for path in ["", ".", "..", "../a", "a/../../b", "a/..", "/etc/passwd", "C:\\a", "a\\..\\b", "a\0b", "c:a"] {
            assert!(!is_inside(path), "{path}");
        }
        assert!(is_plain_name("eight_schools-eight_schools_centered"));
        assert!(!is_plain_name("a/b") && !is_plain_name("./a") && !is_plain_name("..") && !is_plain_name(""));
    }
}
