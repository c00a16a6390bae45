//! The cache folder: where toolchains and compiled models live, and the locks on what is being made there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};

use super::ToolchainError;

/// The folder that holds toolchains and compiled models: the environment variable STANMATCH_CACHE, or `stanmatch` in
/// the user's cache folder.
pub fn cache_directory() -> Result<PathBuf, ToolchainError> {
    if let Some(folder) = std::env::var_os("STANMATCH_CACHE").filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        return std::path::absolute(&folder).map_err(|error| ToolchainError::writing(&folder, error));
    }
    let strategy = etcetera::choose_base_strategy().map_err(|_| ToolchainError::NoCache)?;
    Ok(strategy.cache_dir().join("stanmatch"))
}

/// A lock on `folder`, which is made when it is missing. Waits for whoever holds it; ends with the value or the
/// process.
pub(super) fn lock(folder: &Path) -> Result<File, ToolchainError> {
    let locked = fs::create_dir_all(folder).and_then(|()| {
        let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|error| ToolchainError::writing(folder, error))
}

/// The SHA-256 of labelled texts, in hexadecimal. Lengths enter it, so that no two lists of parts look the same.
pub(super) fn hash<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut digest = Sha256::new();
    for (label, text) in parts {
        for part in [label, text] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    hexadecimal(&digest.finalize())
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_separates_parts() {
        assert_ne!(hash([("a", "bc")]), hash([("ab", "c")]));
        assert_ne!(hash([("a", "b"), ("c", "d")]), hash([("a", "bcd")]));
        // SHA-256 of no bytes, as published by NIST.
        assert_eq!(hash([]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_lock_excludes_a_second_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let other = File::open(folder.path().join("lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        other.try_lock().unwrap();
    }
}
