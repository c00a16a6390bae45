//! Posteriordb: posteriors with their programs, data and reference draws, from any checkout or from the database that
//! is compiled in with the feature `embedded-posteriors`.
//!
//! A database is a folder of files in posteriordb's layout (Magnusson et al., arXiv 2407.04967). Its files are not
//! trusted: sizes are bounded, and no name or path in them leads outside the folder.
//!
//! ```
//! use stanmatch::database::Database;
//!
//! # #[cfg(feature = "embedded-posteriors")] {
//! let database = Database::open(None, None)?;
//! for name in database.posterior_names() {
//!     println!("{name}");
//! }
//! # }
//! # Ok::<(), stanmatch::database::DatabaseError>(())
//! ```

mod check;
mod embedded;
mod error;
mod files;
mod info;
mod posterior;
mod selection;
mod summaries;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use check::Findings;
pub use error::DatabaseError;
pub use posterior::Posterior;
pub use selection::{Selected, Selection};
pub use summaries::SummariesError;

use files::Files;

/// How many near names an unknown one is answered with.
const NEAR_NAMES: usize = 3;
/// Names less alike than this (Jaro–Winkler, 1 for equal) are no help.
const NEAR_ENOUGH: f64 = 0.75;

const ALIASES: &str = "alias/posteriors.json";

/// A database of posteriors.
#[derive(Debug, Clone)]
pub struct Database {
    files: Files,
    overlay_programs: Option<PathBuf>,
    names: Vec<String>,
}

impl Database {
    /// Opens the database in `directory`, a checkout's folder `posterior_database` or the one above it; without a
    /// directory, the embedded one. Programs that it lacks are looked for in `overlay_programs` as `MODEL.stan`.
    ///
    /// # Errors
    /// When there is no database or no folder of programs there.
    pub fn open(directory: Option<&Path>, overlay_programs: Option<&Path>) -> Result<Self, DatabaseError> {
        let files = match directory {
            None if embedded::IS_THERE => Files::Embedded,
            None => return Err(DatabaseError::NotEmbedded),
            Some(directory) => {
                let candidates = [directory.to_owned(), directory.join("posterior_database")];
                let root = candidates.into_iter().find(|root| root.join("posteriors").is_dir());
                Files::Directory(root.ok_or_else(|| DatabaseError::NotADatabase(directory.to_owned()))?)
            }
        };
        if let Some(folder) = overlay_programs.filter(|folder| !folder.is_dir()) {
            return Err(DatabaseError::NoProgramFolder(folder.to_owned()));
        }
        let names = files.json_names("posteriors")?;
        Ok(Self { files, overlay_programs: overlay_programs.map(Path::to_owned), names })
    }

    /// The names of the posteriors, sorted.
    pub fn posterior_names(&self) -> &[String] {
        &self.names
    }

    /// The aliases and the posteriors that they stand for, which a partial database may lack.
    ///
    /// # Errors
    /// When the file of aliases is there but cannot be read.
    pub fn aliases(&self) -> Result<BTreeMap<String, String>, DatabaseError> {
        let Some(text) = self.files.json(ALIASES)? else { return Ok(BTreeMap::new()) };
        serde_json::from_str(&text)
            .map_err(|reason| DatabaseError::Malformed { file: self.files.shown(ALIASES), reason })
    }

    /// The posterior of this name or alias.
    ///
    /// # Errors
    /// When there is none, with the nearest names, or its description cannot be used.
    pub fn posterior(&self, name: &str) -> Result<Posterior, DatabaseError> {
        if self.has(name) {
            return self.read(name);
        }
        let aliases = self.aliases()?;
        match aliases.get(name) {
            Some(posterior) if self.has(posterior) => self.read(posterior),
            Some(posterior) => Err(DatabaseError::DanglingAlias { alias: name.to_owned(), name: posterior.clone() }),
            None => {
                let usable = aliases.iter().filter(|(_, posterior)| self.has(posterior)).map(|(alias, _)| alias);
                let near = nearest(name, self.names.iter().chain(usable));
                Err(DatabaseError::UnknownPosterior { name: name.to_owned(), near })
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    fn read(&self, name: &str) -> Result<Posterior, DatabaseError> {
        Posterior::read(name, self.files.clone(), self.overlay_programs.clone())
    }
}

/// The names most like `name`, the nearest first. A name of posteriordb joins data and model: one that agrees with
/// either is near.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    let name = name.to_lowercase();
    let likeness = |known: &str| {
        let known = known.to_lowercase();
        let parts = known.split('-').chain([known.as_str()]);
        parts.map(|part| strsim::jaro_winkler(&name, part)).fold(0.0, f64::max)
    };
    let mut near: Vec<(f64, &String)> = known.map(|known| (likeness(known), known)).collect();
    near.retain(|(likeness, _)| *likeness >= NEAR_ENOUGH);
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(NEAR_NAMES).map(|(_, name)| name.clone()).collect()
}
