//! Installing a toolchain: a wheel of the Python package index, or BridgeStan's sources.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bridgestan_tree::BridgeStanTree;
use super::httpstan::{self, Httpstan};
use super::stanli::{self, Stanli};
use super::wheel::{MARKER, Wheel, sha256_of};
use super::{Choice, CompileProgress, InstallSource, ToolchainError, cache};
use crate::files::Unfinished;

/// A toolchain that was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What chooses it.
    pub choice: Choice,
    /// Where it is.
    pub folder: PathBuf,
}

/// Installs a toolchain. What is installed already is left alone unless `force` is set.
///
/// # Errors
/// When the file cannot be fetched, is not one that we know, or cannot be unpacked.
pub fn install(
    source: &InstallSource,
    force: bool,
    progress: &dyn Fn(CompileProgress<'_>),
) -> Result<Installed, ToolchainError> {
    match source {
        InstallSource::BridgeStan => {
            let tree = install_tree(&BridgeStanTree::home()?, force, || {
                progress(CompileProgress::Downloading("BridgeStan"));
                let what = "BridgeStan's sources".to_owned();
                bridgestan::download_bridgestan_src()
                    .map_err(|error| ToolchainError::Download { what, message: error.to_string() })
            })?;
            Ok(Installed { choice: Choice::BridgeStan(None), folder: tree.folder().to_owned() })
        }
        InstallSource::Stanli => Package::stanli()?.install(None, force, progress),
        InstallSource::Httpstan => Package::httpstan()?.install(None, force, progress),
        InstallSource::Wheel(file) => Package::of(file)?.install(Some(file), force, progress),
    }
}

/// A package that holds Stan.
struct Package {
    choice: Choice,
    wheel: &'static Wheel,
    home: PathBuf,
    stan_version: &'static str,
    is_needed: fn(&str) -> bool,
    /// Makes the unpacked folder ready for use, or says what the wheel lacks.
    finish: fn(&Path) -> Result<(), String>,
}

impl Package {
    fn stanli() -> Result<Self, ToolchainError> {
        Ok(Self {
            choice: Choice::Stanli,
            wheel: Stanli::wheel()?,
            home: Stanli::home()?,
            stan_version: stanli::STAN_VERSION,
            is_needed: Stanli::is_needed,
            finish: Stanli::finish,
        })
    }

    fn httpstan() -> Result<Self, ToolchainError> {
        Httpstan::check_platform()?;
        Ok(Self {
            choice: Choice::Httpstan,
            wheel: &httpstan::WHEEL,
            home: Httpstan::home()?,
            stan_version: httpstan::STAN_VERSION,
            is_needed: Httpstan::is_needed,
            finish: Httpstan::finish,
        })
    }

    /// The package whose wheel `file` is.
    fn of(file: &Path) -> Result<Self, ToolchainError> {
        let found = sha256_of(file)?;
        let mut known = [Self::stanli(), Self::httpstan()].into_iter().flatten();
        known
            .find(|package| package.wheel.sha256 == found)
            .ok_or_else(|| ToolchainError::UnknownWheel { file: file.to_owned(), found })
    }

    /// Installs the package from `file`, or from what pip fetches.
    fn install(
        self,
        file: Option<&Path>,
        force: bool,
        progress: &dyn Fn(CompileProgress<'_>),
    ) -> Result<Installed, ToolchainError> {
        let Self { choice, wheel, home, .. } = self;
        let parent = home.parent().expect("a folder inside the cache folder");
        let _lock = cache::lock(parent)?;
        if home.join(MARKER).is_file() && !force {
            return Ok(Installed { choice, folder: home });
        }
        let failed = |error| ToolchainError::writing(parent, error);
        let download = Unfinished::folder(parent.join(".download")).map_err(failed)?;
        let file = match file {
            Some(file) => file.to_owned(),
            None => {
                progress(CompileProgress::Downloading(wheel.package));
                wheel.fetch(download.path())?
            }
        };
        wheel.verify(&file)?;
        progress(CompileProgress::Unpacking(wheel.package));
        let unpacked = Unfinished::folder(parent.join(".unpacked")).map_err(failed)?;
        wheel.unpack(&file, self.is_needed, unpacked.path())?;
        (self.finish)(unpacked.path()).map_err(|message| ToolchainError::Wheel { file: file.clone(), message })?;
        let marker = serde_json::json!({
            "package": wheel.package, "version": wheel.version, "stan_version": self.stan_version,
            "sha256": wheel.sha256,
        });
        fs::write(unpacked.path().join(MARKER), format!("{marker:#}\n")).map_err(failed)?;
        replace(&home, || unpacked.rename_to(&home).map_err(failed))?;
        Ok(Installed { choice, folder: home })
    }
}

/// The BridgeStan folder `home`, to which `download` writes; one that is whole is left alone unless `force` is set.
fn install_tree(
    home: &Path,
    force: bool,
    download: impl FnOnce() -> Result<PathBuf, ToolchainError>,
) -> Result<BridgeStanTree, ToolchainError> {
    let _lock = cache::lock(home.parent().expect("a folder inside the home folder"))?;
    match BridgeStanTree::open(home) {
        Ok(tree) if !force => Ok(tree),
        _ => replace(home, || {
            download()?;
            BridgeStanTree::open(home)
        }),
    }
}

/// Lets `make` put a folder at `home`, which cannot be replaced in one step: the old one is set aside, and put back where
/// there is no new one.
fn replace<T>(home: &Path, make: impl FnOnce() -> Result<T, ToolchainError>) -> Result<T, ToolchainError> {
    let failed = |error| ToolchainError::writing(home, error);
    let remove = |folder: &Path| match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    };
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    let old = home.with_file_name(format!(".{name}.old"));
    remove(&old)?;
    let has_old = match fs::rename(home, &old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        renamed => renamed.map(|()| true).map_err(failed)?,
    };
    let made = make();
    if made.is_err() {
        remove(home)?;
        if has_old {
            fs::rename(&old, home).map_err(failed)?;
        }
    }
    remove(&old)?;
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_refused_with_its_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.whl");
        fs::write(&file, "abc").unwrap();
        let error = Package::of(&file).err().unwrap().to_string();
        assert!(error.contains("ba7816bf8f01cfea") && error.contains("a.whl"), "{error}");
    }

    #[test]
    fn a_folder_is_replaced_by_a_whole_one_only() {
        let parent = tempfile::tempdir().unwrap();
        let home = parent.path().join("home");
        let write = |text: &str| {
            fs::create_dir(&home).and_then(|()| fs::write(home.join("file"), text)).unwrap();
            Ok::<(), ToolchainError>(())
        };
        let broken = || {
            write("half")?;
            Err::<(), _>(ToolchainError::NoCache)
        };
        assert!(replace(&home, broken).is_err() && !home.exists());
        replace(&home, || write("old")).unwrap();
        assert!(replace(&home, broken).is_err());
        assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "old");
        replace(&home, || write("new")).unwrap();
        assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "new");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_bridgestan_folder_is_fetched_where_there_is_no_whole_one() {
        let parent = tempfile::tempdir().unwrap();
        let home = parent.path().join("bridgestan-0");
        let fetches = std::cell::Cell::new(0);
        let fetch = |files: &[&str]| {
            fetches.set(fetches.get() + 1);
            for file in files {
                let path = home.join(file);
                fs::create_dir_all(path.parent().unwrap()).and_then(|()| fs::write(path, "")).unwrap();
            }
            Ok(home.clone())
        };
        let whole = ["Makefile", "src/bridgestan.h", "stan/src/stan/version.hpp"];
        let incomplete = install_tree(&home, false, || fetch(&whole[..1])).unwrap_err().to_string();
        assert!(incomplete.contains("src/bridgestan.h") && !home.exists(), "{incomplete}");
        install_tree(&home, false, || fetch(&whole)).unwrap();
        install_tree(&home, false, || fetch(&whole)).unwrap();
        assert_eq!(fetches.get(), 2);
        install_tree(&home, true, || fetch(&whole)).unwrap();
        assert_eq!(fetches.get(), 3);
        fs::remove_file(home.join("Makefile")).unwrap();
        install_tree(&home, false, || fetch(&whole)).unwrap();
        assert_eq!(fetches.get(), 4);
    }

    #[test]
    fn a_wheel_without_stan_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Httpstan::finish(folder.path()).unwrap_err().contains("no stanc"));
        assert!(Stanli::finish(folder.path()).unwrap_err().contains("no library"));
    }
}
