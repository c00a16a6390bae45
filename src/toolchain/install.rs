//! Installing a toolchain: the PyPI wheel of httpstan, or BridgeStan's sources.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::bridgestan_tree::BridgeStanTree;
use super::httpstan::{self, Httpstan};
use super::{Progress, ToolchainError, cache, process};
use crate::files::Unfinished;

/// The SHA-256 of httpstan 4.17.0's wheel for CPython 3.12 on Linux, as PyPI publishes it. Any wheel of that version
/// holds the same Stan; this one is fetched whatever the local Python is.
const WHEEL_SHA256: &str = "7f73e29a415718ddc45e4703c0253a9d4adc6a21aa7110ccf36821a0f94202cd";

/// What pip is asked for: one file, no matter which Python asks.
const PIP: [&str; 14] = [
    "-m",
    "pip",
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--python-version",
    "3.12",
    "--implementation",
    "cp",
    "--abi",
    "cp312",
    "--platform",
    "manylinux2014_x86_64",
    "--disable-pip-version-check",
];

/// The whole wheel takes 215 MB.
const MAX_BYTES: u64 = 1 << 30;

/// What a toolchain is installed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallSource {
    /// The wheel of httpstan, fetched by pip.
    Pip,
    /// The wheel of httpstan in this file.
    Wheel(PathBuf),
    /// BridgeStan's sources, fetched from GitHub by the crate bridgestan.
    BridgeStan,
}

/// Installs a toolchain and returns its folder. What is installed already is left alone unless `force` is set.
///
/// # Errors
/// When the file cannot be fetched, is not the one that we know, or cannot be unpacked.
pub fn install(
    source: &InstallSource,
    force: bool,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PathBuf, ToolchainError> {
    if *source == InstallSource::BridgeStan {
        progress(Progress::Downloading("BridgeStan"));
        let folder = bridgestan::download_bridgestan_src()
            .map_err(|error| ToolchainError::Download { what: "BridgeStan's sources", message: error.to_string() })?;
        return Ok(BridgeStanTree::open(&folder)?.folder().to_owned());
    }
    Httpstan::check_platform()?;
    let home = Httpstan::home()?;
    let parent = home.parent().expect("a folder inside the cache folder");
    let _lock = cache::lock(parent)?;
    if home.join(httpstan::MARKER).is_file() && !force {
        return Ok(home);
    }
    let failed = |error| ToolchainError::writing(parent, error);
    let download = Unfinished::folder(parent.join(".download")).map_err(failed)?;
    let wheel = match source {
        InstallSource::Wheel(file) => file.clone(),
        _ => {
            progress(Progress::Downloading("httpstan"));
            fetch(download.path())?
        }
    };
    check(&wheel)?;
    progress(Progress::Unpacking("httpstan"));
    let unpacked = Unfinished::folder(parent.join(".unpacked")).map_err(failed)?;
    unpack(&wheel, unpacked.path())?;
    fs::write(unpacked.path().join(httpstan::MARKER), marker()).map_err(failed)?;
    // A folder cannot be replaced in one step: the old one, perhaps broken, goes first.
    if home.exists() {
        fs::remove_dir_all(&home).map_err(failed)?;
    }
    unpacked.rename_to(&home).map_err(failed)?;
    Ok(home)
}

fn marker() -> String {
    let marker = serde_json::json!({
        "package": "httpstan", "version": httpstan::VERSION, "stan_version": httpstan::STAN_VERSION, "sha256": WHEEL_SHA256,
    });
    format!("{marker:#}\n")
}

/// Lets pip, with the user's own configuration, fetch the wheel into `folder`.
fn fetch(folder: &Path) -> Result<PathBuf, ToolchainError> {
    let package = format!("httpstan=={}", httpstan::VERSION);
    let remedy = "install Python 3.9 or later with pip, or give the wheel's file with `--wheel`";
    let output = process::run(Command::new("python3").args(PIP).arg(package).arg("--dest").arg(folder))
        .map_err(|error| ToolchainError::running("python3", remedy, error))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ToolchainError::Download { what: "the Python package httpstan", message });
    }
    let files = fs::read_dir(folder).map_err(|error| ToolchainError::writing(folder, error))?;
    let wheel = files
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"));
    wheel.ok_or_else(|| ToolchainError::Download {
        what: "the Python package httpstan",
        message: "pip reported success but left no wheel".to_owned(),
    })
}

/// Requires that `wheel` is the file that we know.
fn check(wheel: &Path) -> Result<(), ToolchainError> {
    let unreadable = |source| ToolchainError::Unreadable { file: wheel.to_owned(), source };
    let mut file = File::open(wheel).map_err(unreadable)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(unreadable)? {
            0 => break,
            read => digest.update(&block[..read]),
        }
    }
    let found = cache::hexadecimal(&digest.finalize());
    if found != WHEEL_SHA256 {
        return Err(ToolchainError::Checksum { file: wheel.to_owned(), expected: WHEEL_SHA256, found });
    }
    Ok(())
}

/// Unpacks what compiling needs: headers, libraries and stanc.
fn unpack(wheel: &Path, folder: &Path) -> Result<(), ToolchainError> {
    let broken = |message: String| ToolchainError::Wheel { file: wheel.to_owned(), message };
    let failed = |error| ToolchainError::writing(folder, error);
    let file = File::open(wheel).map_err(|source| ToolchainError::Unreadable { file: wheel.to_owned(), source })?;
    let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(|error| broken(error.to_string()))?;
    let mut left = MAX_BYTES;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| broken(error.to_string()))?;
        let name = entry.name().map_err(|error| broken(error.to_string()))?.into_owned();
        if entry.is_dir() {
            continue;
        }
        let Some(inside) = name.strip_prefix("httpstan/").filter(|inside| is_needed(inside)) else { continue };
        let path = Path::new(inside);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) || entry.is_symlink() {
            return Err(broken(format!("its entry {name:?} leaves its folder")));
        }
        let mut contents = Vec::new();
        let read = entry.by_ref().take(left.saturating_add(1)).read_to_end(&mut contents);
        read.map_err(|error| broken(error.to_string()))?;
        left =
            left.checked_sub(contents.len() as u64).ok_or_else(|| broken("it unpacks to more than 1 GB".to_owned()))?;
        let target = folder.join(path);
        fs::create_dir_all(target.parent().unwrap_or(folder)).map_err(failed)?;
        fs::write(&target, contents).map_err(failed)?;
    }
    let stanc = folder.join("stanc");
    if !stanc.is_file() || !folder.join("include/stan").is_dir() || !folder.join("lib").is_dir() {
        return Err(broken("it holds no stanc, no headers of Stan or no libraries".to_owned()));
    }
    // The archive does not carry the bit.
    fs::set_permissions(&stanc, fs::Permissions::from_mode(0o755)).map_err(failed)
}

fn is_needed(name: &str) -> bool {
    let headers = name.starts_with("include/") && !name.starts_with("include/pybind11/");
    headers || name.starts_with("lib/") || name == "stanc"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const WHOLE: [&str; 4] =
        ["httpstan/stanc", "httpstan/lib/libtbb.so.2", "httpstan/include/stan/version.hpp", "httpstan/stan_services.o"];

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
    fn only_what_compiling_needs_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("unpacked");
        unpack(&wheel(folder.path(), &WHOLE), &target).unwrap();
        assert!(target.join("include/stan/version.hpp").is_file());
        assert!(!target.join("stan_services.o").exists());
        assert_eq!(fs::metadata(target.join("stanc")).unwrap().permissions().mode() & 0o111, 0o111);
    }

    #[test]
    fn an_entry_that_leaves_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/unpacked");
        for evil in ["httpstan/lib/../../../evil", "httpstan/include//etc/../../../../evil"] {
            let error = unpack(&wheel(folder.path(), &[evil]), &target).unwrap_err().to_string();
            assert!(error.contains("leaves its folder"), "{error}");
        }
        assert!(!folder.path().join("evil").exists());
    }

    #[test]
    fn a_wheel_without_stan_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = unpack(&wheel(folder.path(), &WHOLE[1..]), &folder.path().join("u")).unwrap_err().to_string();
        assert!(error.contains("holds no stanc"), "{error}");
    }

    #[test]
    fn a_broken_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = wheel(folder.path(), &WHOLE);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = unpack(&path, &folder.path().join("u")).unwrap_err().to_string();
        assert!(error.contains("a.whl"), "{error}");
    }

    #[test]
    fn another_file_is_refused_with_both_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let error = check(&wheel(folder.path(), &WHOLE)).unwrap_err().to_string();
        assert!(error.contains(WHEEL_SHA256) && error.contains("a.whl"), "{error}");
    }
}
