//! An official BridgeStan folder, whose own makefile compiles models.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use super::options::CompileOptions;
use super::{Compiler, InstallSource, Program, Remedy, ToolchainError, cache, process, stanc};

/// The files that make a folder BridgeStan's.
const FILES: [&str; 3] = ["Makefile", "src/bridgestan.h", "stan/src/stan/version.hpp"];

const MAKE_REMEDY: &str = "BridgeStan compiles with make: on Debian and Ubuntu `apt-get install make`";

/// A BridgeStan folder.
#[derive(Debug, Clone)]
pub(super) struct BridgeStanTree {
    folder: PathBuf,
    stan_version: String,
}

impl BridgeStanTree {
    /// Takes `folder` for a BridgeStan folder.
    pub(super) fn open(folder: &Path) -> Result<Self, ToolchainError> {
        if let Some(missing) = FILES.into_iter().find(|file| !folder.join(file).is_file()) {
            return Err(ToolchainError::NotBridgeStan { folder: folder.to_owned(), missing });
        }
        let unreadable = |reason| ToolchainError::Unreadable { file: folder.to_owned(), reason };
        let version = fs::read_to_string(folder.join(FILES[2])).map_err(unreadable)?;
        let folder = folder.canonicalize().map_err(unreadable)?;
        Ok(Self { folder, stan_version: version_of(&version) })
    }

    /// Where the crate bridgestan downloads to.
    pub(super) fn home() -> Result<PathBuf, ToolchainError> {
        let home = etcetera::home_dir().map_err(|_| ToolchainError::NoCache)?;
        Ok(home.join(".bridgestan").join(format!("bridgestan-{}", bridgestan::VERSION)))
    }

    /// The folder that was downloaded.
    pub(super) fn downloaded() -> Result<Self, ToolchainError> {
        let folder = Self::home()?;
        if !folder.is_dir() {
            let remedy = Remedy::Install(InstallSource::BridgeStan);
            return Err(ToolchainError::Missing { wanted: "BridgeStan folder", remedy });
        }
        Self::open(&folder)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn stan_version(&self) -> &str {
        &self.stan_version
    }

    /// All that decides how a program becomes a library, except the program and the compiler.
    pub(super) fn fingerprint(&self, options: &CompileOptions) -> String {
        let local = fs::read_to_string(self.folder.join("make/local")).unwrap_or_default();
        let header = fs::read_to_string(self.folder.join(FILES[1])).unwrap_or_default();
        let make = make_arguments(options).join(" ");
        [&self.folder.display().to_string(), &self.stan_version, &header, &local, &make].map(String::as_str).join("\n")
    }

    /// Makes `model.so` in `folder`.
    pub(super) fn build(
        &self,
        program: &Program,
        options: &CompileOptions,
        compiler: &Compiler,
        folder: &Path,
    ) -> Result<(), ToolchainError> {
        let failed = |error| ToolchainError::writing(folder, error);
        if let Some(odd) = folder.display().to_string().chars().find(|&c| !is_plain(c)) {
            return Err(ToolchainError::MakeFolder { folder: folder.to_owned(), odd });
        }
        let class = stanc::class_name(program);
        let file = folder.join(format!("{}.stan", class.strip_suffix("_model").unwrap_or(&class)));
        fs::write(&file, program.source()).map_err(failed)?;
        let library = folder.join(format!("{class}.so"));
        let includes = link_includes(program, folder).map_err(failed)?;
        let mut flags = "STANCFLAGS=--O1".to_owned();
        if !includes.is_empty() {
            let links: Vec<String> = includes.iter().map(|(link, _)| link.display().to_string()).collect();
            flags += &format!(" --include-paths={}", links.join(","));
        }
        // Two builds at once would both make what all models of the tree share.
        let _lock = cache::lock(&self.lock_folder()?)?;
        let mut make = Command::new("make");
        make.arg(&library).args(make_arguments(options)).arg(flags);
        make.current_dir(&self.folder).env("STAN_THREADS", "true");
        let output = process::run(&mut make).map_err(|error| ToolchainError::running("make", MAKE_REMEDY, error))?;
        if !output.status.success() {
            let mut message =
                [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned()).join(" ");
            for (link, directory) in &includes {
                message = message.replace(&link.display().to_string(), &directory.display().to_string());
            }
            return Err(self.refused(program, compiler, &message));
        }
        fs::rename(library, folder.join("model.so")).map_err(failed)
    }

    /// The folder of the lock on what the models of this tree share; the tree itself may be another user's.
    fn lock_folder(&self) -> Result<PathBuf, ToolchainError> {
        let name = cache::hash([("tree", self.folder.display().to_string().as_str())]);
        Ok(cache::cache_directory()?.join("trees").join(name))
    }

    /// The makefile's output is one text; stanc's errors are known by how they begin.
    fn refused(&self, program: &Program, compiler: &Compiler, message: &str) -> ToolchainError {
        let begins = ["Syntax error in ", "Semantic error in "];
        let program = program.shown().to_owned();
        match begins.iter().filter_map(|begin| message.find(begin)).min() {
            Some(begin) => {
                let words = message[begin..].lines().take_while(|line| !line.trim_start().starts_with("make"));
                ToolchainError::Invalid { program, message: words.collect::<Vec<_>>().join("\n") }
            }
            None => ToolchainError::Compiler {
                compiler: format!("BridgeStan's makefile with {}", compiler.shown()),
                what: program,
                message: message.trim().to_owned(),
            },
        }
    }
}

/// Whether make, the shell behind it and stanc's list of folders take the character of a path for itself.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "/._-+@".contains(c)
}

/// Links in `folder` to the folders where `program` looks for includes, each with the folder that it leads to. The
/// makefile gives names to a shell, and a program's folder may be called anything.
fn link_includes(program: &Program, folder: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let linked = program.include_directories().iter().enumerate().map(|(index, directory)| {
        let (link, directory) = (folder.join(format!("include-{}", index + 1)), path::absolute(directory)?);
        symlink(&directory, &link)?;
        Ok((link, directory))
    });
    linked.collect()
}

fn make_arguments(options: &CompileOptions) -> Vec<&'static str> {
    if options.ad_hessian { vec!["BRIDGESTAN_AD_HESSIAN=true"] } else { Vec::new() }
}

/// The version that Stan's header defines as three macros.
fn version_of(header: &str) -> String {
    let number = |name: &str| {
        let found = header.lines().find_map(|line| line.strip_prefix("#define")?.trim().strip_prefix(name));
        found.map_or("?", str::trim)
    };
    format!("{}.{}.{}", number("STAN_MAJOR"), number("STAN_MINOR"), number("STAN_PATCH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_macros() {
        let header = "#ifndef X\n#define STAN_MAJOR 2\n#define STAN_MINOR 37\n#define STAN_PATCH 0\n";
        assert_eq!(version_of(header), "2.37.0");
    }

    #[test]
    fn another_folder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = BridgeStanTree::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()) && error.contains("Makefile"), "{error}");
    }
}
