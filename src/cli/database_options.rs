//! The option that chooses a database.

use std::path::{Path, PathBuf};

use stanmatch::database::{Database, DatabaseError};

use super::toolchain_options::folder;

/// Which database is meant.
#[derive(clap::Args, Clone)]
pub struct DatabaseOptions {
    /// A posteriordb checkout or its folder `posterior_database`, instead of the embedded database
    #[arg(long, value_name = "DIR", env = "POSTERIORDB", value_parser = folder())]
    posteriordb: Option<PathBuf>,
}

impl DatabaseOptions {
    /// Opens the database, with programs that it lacks from `models`.
    pub fn open(&self, models: Option<&Path>) -> Result<Database, DatabaseError> {
        Database::open(self.folder(), models)
    }

    /// The folder of the database; None for the embedded one.
    fn folder(&self) -> Option<&Path> {
        self.posteriordb.as_deref().filter(|folder| !folder.as_os_str().is_empty())
    }
}

/// Which database is meant, and where programs are that it lacks.
#[derive(clap::Args, Clone)]
pub struct ProgramOptions {
    #[command(flatten)]
    database: DatabaseOptions,

    /// A folder of Stan programs, named by model, for those that the database lacks
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

impl ProgramOptions {
    /// The folder of the database, None for the embedded one, and that of programs.
    pub fn folders(&self) -> (Option<PathBuf>, Option<PathBuf>) {
        (self.database.folder().map(Path::to_owned), self.models.clone())
    }

    /// Opens the database.
    pub fn open(&self) -> Result<Database, DatabaseError> {
        self.database.open(self.models.as_deref())
    }
}
