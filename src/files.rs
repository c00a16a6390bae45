//! Files that are written beside their place and renamed, so that an interrupted run leaves the old file or the new
//! one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces the file at `path` by `contents` in one step; its folder is made when it is missing.
pub fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let file = Unfinished::beside(path)?;
    fs::write(file.path(), contents)?;
    file.rename_to(path)
}

/// A file or folder that is being written: removed when dropped, and by [`remove_unfinished`], unless it was renamed.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// A name, used by nobody else, in the folder of `target`, which is made when it is missing.
    pub fn beside(target: &Path) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = target.with_file_name(format!(".{name}.{}-{count}.part", std::process::id()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        unfinished().push(path.clone());
        Ok(Self { path })
    }

    /// An empty folder at `path`; whatever an earlier run left there is removed.
    pub fn folder(path: PathBuf) -> io::Result<Self> {
        remove(&path)?;
        unfinished().push(path.clone());
        let folder = Self { path };
        fs::create_dir_all(&folder.path)?;
        Ok(folder)
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves what was written to its place. A file there is replaced; a folder there must be empty.
    pub fn rename_to(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        unfinished().retain(|path| *path != self.path);
        // Nobody could act on a failure here: at worst a hidden file stays.
        let _ = remove(&self.path);
    }
}

/// Removes every file and folder that is still being written. For a handler of Ctrl-C, before it ends the process.
pub fn remove_unfinished() {
    for path in unfinished().drain(..) {
        let _ = remove(&path);
    }
}

/// Removes the file or folder at `path`, where there is one.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_written_file_is_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/result.json");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(path.parent().unwrap()), ["result.json"]);
    }

    #[test]
    fn what_is_not_finished_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write(&path, b"old").unwrap();
        let file = Unfinished::beside(&path).unwrap();
        fs::write(file.path(), b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["result.json"]);
    }

    #[test]
    fn a_folder_starts_empty() {
        let folder = tempfile::tempdir().unwrap();
        let build = folder.path().join("build");
        fs::create_dir(&build).unwrap();
        fs::write(build.join("left"), b"").unwrap();
        let unfinished = Unfinished::folder(build.clone()).unwrap();
        assert_eq!(names(&build), [""; 0]);
        drop(unfinished);
        assert!(!build.exists());
    }
}
