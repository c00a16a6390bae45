//! The option that chooses a database.

use std::path::{Path, PathBuf};

use stanmatch::database::{Database, DatabaseError};

/// Which database is meant.
#[derive(clap::Args, Clone)]
pub struct DatabaseOptions {
    /// A posteriordb checkout or its folder `posterior_database`, instead of the embedded database
    #[arg(long, value_name = "DIR", env = "POSTERIORDB")]
    posteriordb: Option<PathBuf>,
}

impl DatabaseOptions {
    /// Opens the database, with programs that it lacks from `models`.
    pub fn open(&self, models: Option<&Path>) -> Result<Database, DatabaseError> {
        Database::open(self.posteriordb.as_deref(), models)
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
        (self.database.posteriordb.clone(), self.models.clone())
    }

    /// Opens the database.
    pub fn open(&self) -> Result<Database, DatabaseError> {
        self.database.open(self.models.as_deref())
    }
}
