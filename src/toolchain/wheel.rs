//! Wheels of the Python package index: fetched by pip, checked against a known SHA-256, unpacked.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::process::{self, LongOptions};
use super::{ToolchainError, cache};

/// Written last by an installation, so that a folder that holds it is whole.
pub(super) const MARKER: &str = "toolchain.json";

/// The largest wheel, httpstan's, unpacks to 215 MB.
const MAX_BYTES: u64 = 1 << 30;

/// One file of the index, the same whatever the local Python is.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The package, which is also the folder of the wheel that holds everything.
    pub package: &'static str,
    pub version: &'static str,
    /// What pip is told of the Python that the wheel is for: its implementation and binary interface.
    pub python: [&'static str; 2],
    /// The platform as wheels name it.
    pub platform: &'static str,
    /// As the index publishes it.
    pub sha256: &'static str,
}

impl Wheel {
    /// Lets pip, with the user's own configuration, fetch the wheel into `folder`.
    pub(super) fn fetch(&self, folder: &Path) -> Result<PathBuf, ToolchainError> {
        let [implementation, abi] = self.python;
        let failed =
            |message| ToolchainError::Download { what: format!("the Python package {}", self.package), message };
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download"]).flag("disable-pip-version-check").flag("no-deps");
        pip.option("only-binary", ":all:").option("python-version", "3.12").option("platform", self.platform);
        pip.option("implementation", implementation).option("abi", abi).option("dest", folder);
        let remedy = "install Python 3.11 or later with pip, or install from the wheel's file";
        let output = process::run(pip.arg(format!("{}=={}", self.package, self.version)))
            .map_err(|error| ToolchainError::running("python3", remedy, error))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let files = fs::read_dir(folder).map_err(|error| ToolchainError::writing(folder, error))?;
        let mut files = files.filter_map(Result::ok).map(|entry| entry.path());
        let wheel = files.find(|path| path.extension().is_some_and(|extension| extension == "whl"));
        wheel.ok_or_else(|| failed("pip reported success but left no wheel".to_owned()))
    }

    /// Refuses a `file` that is not this wheel, byte for byte.
    pub(super) fn verify(&self, file: &Path) -> Result<(), ToolchainError> {
        let found = sha256_of(file)?;
        if found == self.sha256 {
            return Ok(());
        }
        Err(ToolchainError::Checksum { file: file.to_owned(), expected: self.sha256, found })
    }

    /// Unpacks the entries of `file` that `is_needed` names, without the package's own folder, into `folder`.
    pub(super) fn unpack(
        &self,
        file: &Path,
        is_needed: impl Fn(&str) -> bool,
        folder: &Path,
    ) -> Result<(), ToolchainError> {
        let broken = |message: String| ToolchainError::Wheel { file: file.to_owned(), message };
        let failed = |error| ToolchainError::writing(folder, error);
        let opened = File::open(file).map_err(|reason| ToolchainError::Unreadable { file: file.to_owned(), reason })?;
        let mut archive = ZipArchive::new(io::BufReader::new(opened)).map_err(|error| broken(error.to_string()))?;
        let mut left = MAX_BYTES;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|error| broken(error.to_string()))?;
            let name = entry.name().map_err(|error| broken(error.to_string()))?.into_owned();
            if entry.is_dir() {
                continue;
            }
            let inside = name.strip_prefix(self.package).and_then(|rest| rest.strip_prefix('/'));
            let Some(inside) = inside.filter(|inside| is_needed(inside)) else { continue };
            let path = Path::new(inside);
            if !path.components().all(|part| matches!(part, Component::Normal(_))) || entry.is_symlink() {
                return Err(broken(format!("its entry {name:?} leaves its folder")));
            }
            let mut contents = Vec::new();
            let read = entry.by_ref().take(left.saturating_add(1)).read_to_end(&mut contents);
            read.map_err(|error| broken(error.to_string()))?;
            left = left
                .checked_sub(contents.len() as u64)
                .ok_or_else(|| broken("it unpacks to more than 1 GB".to_owned()))?;
            let target = folder.join(path);
            fs::create_dir_all(target.parent().unwrap_or(folder)).map_err(failed)?;
            fs::write(&target, contents).map_err(failed)?;
        }
        Ok(())
    }
}

/// The SHA-256 of a file.
pub(super) fn sha256_of(file: &Path) -> Result<String, ToolchainError> {
    let unreadable = |reason| ToolchainError::Unreadable { file: file.to_owned(), reason };
    let mut opened = File::open(file).map_err(unreadable)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match opened.read(&mut block).map_err(unreadable)? {
            0 => break,
            read => digest.update(&block[..read]),
        }
    }
    Ok(cache::hexadecimal(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const PACKAGE: Wheel =
        Wheel { package: "thing", version: "1", python: ["py", "none"], platform: "any", sha256: "" };

    fn wheel(folder: &Path, names: &[&str]) -> PathBuf {
        let path = folder.join("a.whl");
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        for name in names {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(name.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        path
    }

    #[test]
    fn only_what_is_needed_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("unpacked");
        let file = wheel(folder.path(), &["thing/lib/a.so", "thing/b.so", "things/lib/c.so"]);
        PACKAGE.unpack(&file, |name| name.starts_with("lib/"), &target).unwrap();
        assert_eq!(fs::read_to_string(target.join("lib/a.so")).unwrap(), "thing/lib/a.so");
        assert!(!target.join("b.so").exists() && !target.join("lib/c.so").exists());
    }

    #[test]
    fn an_entry_that_leaves_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/unpacked");
        for evil in ["thing/lib/../../../evil", "thing/include//etc/../../../../evil"] {
            let file = wheel(folder.path(), &[evil]);
            let error = PACKAGE.unpack(&file, |_| true, &target).unwrap_err().to_string();
            assert!(error.contains("leaves its folder"), "{error}");
        }
        assert!(!folder.path().join("evil").exists());
    }

    #[test]
    fn a_broken_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = wheel(folder.path(), &["thing/a", "thing/b"]);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = PACKAGE.unpack(&path, |_| true, &folder.path().join("u")).unwrap_err().to_string();
        assert!(error.contains("a.whl"), "{error}");
    }

    #[test]
    fn the_checksum_is_that_of_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        fs::write(&file, "abc").unwrap();
        // The example of FIPS 180-4.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_of(&file).unwrap(), expected);
    }
}
