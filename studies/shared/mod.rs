//! What the examples that go through a posteriordb share.

use std::error::Error;
use std::path::PathBuf;

use stanmatch::database::{Database, Posterior};
use stanmatch::toolchain::StanModel;
use stanmatch::toolchain::{CompileOptions, Toolchain};

/// The database and the programs in the two folders that the command line names next.
pub fn open(mut arguments: impl Iterator<Item = String>) -> Result<Database, Box<dyn Error>> {
    let (Some(database), Some(programs)) = (arguments.next(), arguments.next()) else {
        return Err("give the folder of a posteriordb and the folder of the programs".into());
    };
    Ok(Database::open(Some(&PathBuf::from(database)), Some(&PathBuf::from(programs)))?)
}

/// A posterior's program, compiled, with its data.
pub fn load(posterior: &Posterior, toolchain: &Toolchain) -> Result<StanModel, Box<dyn Error>> {
    let compiled = toolchain.compile(&posterior.program()?, &CompileOptions::default(), &|_| ())?;
    Ok(StanModel::load(&compiled.library, &posterior.data()?, 1)?)
}
