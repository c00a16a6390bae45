//! The files that a program includes, for the hash of the cache. Translation itself is stanc's.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// More than any program's files together; what exceeds it does not enter the hash.
const MAX_BYTES: u64 = 64 << 20;

/// The name and text of every file that a program of this `source` includes from `directories`, directly or through
/// another. A file that is not found is left out: stanc says so.
pub(super) fn included(source: &str, directories: &[PathBuf]) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    let mut left = MAX_BYTES;
    let mut waiting: Vec<String> = names(source).collect();
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let mut text = Vec::new();
        let found = directories.iter().map(|d| d.join(&name)).find(|path: &PathBuf| path.is_file());
        let Some(file) = found.and_then(|path| File::open(path).ok()) else { continue };
        if let Ok(read) = file.take(left).read_to_end(&mut text) {
            left -= read as u64;
            let text = String::from_utf8_lossy(&text).into_owned();
            waiting.extend(names(&text));
            files.push((name, text));
        }
    }
    files.sort();
    files
}

/// The names after `#include`, which Stan writes bare, in quotes or in angle brackets.
fn names(source: &str) -> impl Iterator<Item = String> + '_ {
    source.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("#include")?.trim();
        let name = match rest.chars().next()? {
            '<' => rest[1..].split('>').next()?,
            '"' => rest[1..].split('"').next()?,
            _ => rest.split_whitespace().next()?,
        };
        Some(name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_are_followed_once_each() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.stan"), "#include \"b.stan\"\n// a").unwrap();
        fs::write(folder.path().join("b.stan"), "#include a.stan // again\n").unwrap();
        let source = "functions {\n  #include <a.stan>\n#include gone.stan\n}";
        let found = included(source, &[folder.path().to_owned()]);
        let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.stan", "b.stan"]);
    }
}
