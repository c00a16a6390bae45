//! What the examples that go through a posteriordb share.

use std::error::Error;
use std::path::PathBuf;

use stanmatch::database::{Database, Posterior};
use stanmatch::toolchain::{Choice, StanModel};

/// The database and the programs in the two folders that the command line names next.
pub fn open(mut arguments: impl Iterator<Item = String>) -> Result<Database, Box<dyn Error>> {
    let (Some(database), Some(programs)) = (arguments.next(), arguments.next()) else {
        return Err("give the folder of a posteriordb and the folder of the programs".into());
    };
    Ok(Database::open(Some(&PathBuf::from(database)), Some(&PathBuf::from(programs)))?)
}

/// A posterior's program with its data.
pub fn load(posterior: &Posterior) -> Result<StanModel, Box<dyn Error>> {
    Ok(Choice::Auto.load(&posterior.program()?, &posterior.data()?, 1, &|_| ())?.model)
}
