//! Files that commands write.

use std::path::Path;

use anyhow::Context;
use stanmatch::files;

/// Replaces the file at `path` in one step; an error names it.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> anyhow::Result<()> {
    files::write(path, contents.as_ref()).with_context(|| format!("{} cannot be written", path.display()))
}
