//! Where a checkout of posteriordb is, for tests and benches.

use std::path::{Path, PathBuf};

/// The database in the folder that the environment variable POSTERIORDB names, or in `../shared/posteriordb` beside the
/// repository; without either it says that something is left out.
pub fn posteriordb() -> Option<PathBuf> {
    let named = std::env::var_os("POSTERIORDB").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/posteriordb");
    let root = named.unwrap_or(beside);
    let folder = [root.join("posterior_database"), root].into_iter().find(|folder| folder.join("posteriors").is_dir());
    if folder.is_none() {
        eprintln!("left out: there is no checkout of posteriordb; name one in POSTERIORDB");
    }
    folder
}
