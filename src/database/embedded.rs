//! The database that is compiled in, where the feature `embedded-posteriors` is on.

use std::path::PathBuf;

#[cfg(feature = "embedded-posteriors")]
mod files {
    use include_dir::{Dir, include_dir};

    pub(super) static POSTERIORDB: Dir = include_dir!("$CARGO_MANIFEST_DIR/posteriordb");
    pub(super) static STAN_MODELS: Dir = include_dir!("$CARGO_MANIFEST_DIR/stan_models");
}

/// Whether there is one.
pub(super) const IS_THERE: bool = cfg!(feature = "embedded-posteriors");

/// The contents of the file at `path`; `None` when there is no such file.
#[cfg(feature = "embedded-posteriors")]
pub(super) fn file(path: &str) -> Option<&'static [u8]> {
    files::POSTERIORDB.get_file(path).map(|file| file.contents())
}

/// The paths of the files in `folder`.
#[cfg(feature = "embedded-posteriors")]
pub(super) fn paths(folder: &str) -> Vec<PathBuf> {
    let folder = files::POSTERIORDB.get_dir(folder);
    folder.into_iter().flat_map(|folder| folder.files()).map(|file| file.path().to_owned()).collect()
}

/// The text of the Stan program in `file`, such as `banana.stan`.
#[cfg(feature = "embedded-posteriors")]
pub(super) fn program(file: &str) -> Option<&'static str> {
    files::STAN_MODELS.get_file(file).and_then(|file| file.contents_utf8())
}

#[cfg(not(feature = "embedded-posteriors"))]
pub(super) fn file(_path: &str) -> Option<&'static [u8]> {
    None
}

#[cfg(not(feature = "embedded-posteriors"))]
pub(super) fn paths(_folder: &str) -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(not(feature = "embedded-posteriors"))]
pub(super) fn program(_file: &str) -> Option<&'static str> {
    None
}
