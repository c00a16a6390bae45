//! The JSON file in a zip archive that nobody vouches for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{Cursor, Read};
use std::path::{Component, Path};

use thiserror::Error;
use zip::ZipArchive;

/// Why an archive is not used. Entries are named as the archive names them.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// It is damaged or of an unsupported kind.
    #[error("its zip archive cannot be read ({0})")]
    Zip(#[from] zip::result::ZipError),
    /// An entry's path is absolute or leads upwards.
    #[error("its zip archive holds {0:?}, a path that leads outside the archive's folder")]
    Outside(String),
    /// Two entries have the same name.
    #[error("its zip archive holds {0:?} twice")]
    Duplicate(String),
    /// It does not hold exactly one JSON file.
    #[error("its zip archive holds {} JSON files where one is expected{}", .0.len(), listed(.0))]
    Entries(Vec<String>),
    /// The entry's compressed bytes are damaged.
    #[error("{entry:?} in its zip archive is damaged ({reason})")]
    Damaged {
        /// The entry.
        entry: String,
        /// What the decompressor said.
        reason: std::io::Error,
    },
    /// The entry unpacks to more than the bound.
    #[error("{entry:?} in its zip archive unpacks to more than {} MiB, the most that is read", .limit >> 20)]
    TooLarge {
        /// The entry.
        entry: String,
        /// The bound, in bytes.
        limit: u64,
    },
}

/// How many names a message lists.
const NAMES_LISTED: usize = 3;

fn listed(names: &[String]) -> String {
    let some: Vec<String> = names.iter().take(NAMES_LISTED).map(|name| format!("{name:?}")).collect();
    if some.is_empty() { String::new() } else { format!(", such as {}", some.join(" and ")) }
}

/// The bytes of the one JSON file in an archive, at most `limit`. No path in the archive is ever used; odd ones are
/// refused all the same, as whoever unpacks the file with another tool might be less careful.
pub(super) fn unzip(bytes: &[u8], limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let name = archive.name_for_index(index).transpose()?.map(Cow::into_owned).unwrap_or_default();
        if !stays_inside(&name) {
            return Err(ArchiveError::Outside(name));
        }
        names.push(name);
    }
    if archive.has_duplicate_names() {
        let directory = usize::try_from(archive.central_directory_start()).ok().and_then(|start| bytes.get(start..));
        return Err(ArchiveError::Duplicate(repeated_name(directory.unwrap_or_default()).unwrap_or_default()));
    }
    // An archive made on a Mac carries `__MACOSX/._NAME.json` beside NAME.json.
    let is_json = |name: &String| name.ends_with(".json") && !name.starts_with("__MACOSX/");
    let entries: Vec<usize> = (0..names.len()).filter(|&index| is_json(&names[index])).collect();
    let [index] = entries[..] else {
        return Err(ArchiveError::Entries(entries.into_iter().map(|index| names[index].clone()).collect()));
    };
    let entry = names.swap_remove(index);
    let file = archive.by_index(index)?;
    if file.size() > limit {
        return Err(ArchiveError::TooLarge { entry, limit });
    }
    let mut content = Vec::new();
    // The declared size may be a lie.
    match file.take(limit + 1).read_to_end(&mut content) {
        Err(reason) => Err(ArchiveError::Damaged { entry, reason }),
        Ok(_) if content.len() as u64 > limit => Err(ArchiveError::TooLarge { entry, limit }),
        Ok(_) => Ok(content),
    }
}

fn stays_inside(name: &str) -> bool {
    let plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    Path::new(name).components().all(plain) && !name.contains(['\\', '\0']) && !name.contains(':')
}

/// The first name that stands twice in a central directory (APPNOTE 4.3.12), which the crate zip does not tell.
fn repeated_name(directory: &[u8]) -> Option<String> {
    const HEADER: usize = 46;
    let mut seen = HashSet::new();
    let mut rest = directory;
    while rest.starts_with(b"PK\x01\x02") && rest.len() >= HEADER {
        let length = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
        let (name, extra, comment) = (length(28), length(30), length(32));
        let bytes = rest.get(HEADER..HEADER + name)?;
        if !seen.insert(bytes) {
            return Some(String::from_utf8_lossy(bytes).into_owned());
        }
        rest = rest.get(HEADER + name + extra + comment..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn refused(bytes: &[u8], limit: u64) -> String {
        unzip(bytes, limit).unwrap_err().to_string()
    }

    #[test]
    fn the_json_file_is_unpacked() {
        let zipped = archive(&[("eight.json", b"{}"), ("__MACOSX/._eight.json", b"\x00\x05"), ("./read.me", b"")]);
        assert_eq!(unzip(&zipped, 100).unwrap(), b"{}");
    }

    #[test]
    fn an_archive_that_unpacks_beyond_the_limit_is_refused() {
        let bomb = archive(&[("zeros.json", &vec![b'0'; 1 << 20])]);
        assert!(bomb.len() < 4096);
        assert!(refused(&bomb, (1 << 20) - 1).starts_with("\"zeros.json\" in its zip archive unpacks to more than"));
        assert_eq!(unzip(&bomb, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn an_archive_must_hold_one_json_file() {
        assert!(refused(&archive(&[("a.txt", b"")]), 100).ends_with("0 JSON files where one is expected"));
        let two = refused(&archive(&[("a.json", b"1"), ("b.json", b"2")]), 100);
        assert!(two.ends_with("2 JSON files where one is expected, such as \"a.json\" and \"b.json\""), "{two}");
    }

    #[test]
    fn paths_that_lead_outside_are_named() {
        for path in ["/etc/passwd.json", "../a.json", "b/../../a.json", "C:\\a.json", "a\\..\\b.json"] {
            let said = refused(&archive(&[("good.json", b"1"), (path, b"2")]), 100);
            assert!(said.contains(&format!("{path:?}")) && said.contains("outside"), "{said}");
        }
    }

    #[test]
    fn names_that_come_twice_are_named() {
        let mut twice = archive(&[("first.json", b"1"), ("draws.json", b"2"), ("drawz.json", b"3")]);
        while let Some(at) = twice.windows(10).position(|window| window == b"drawz.json") {
            twice[at..at + 10].copy_from_slice(b"draws.json");
        }
        assert_eq!(refused(&twice, 100), "its zip archive holds \"draws.json\" twice");
    }

    #[test]
    fn damaged_archives_are_errors() {
        let whole = archive(&[("a.json", b"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]")]);
        assert!(refused(&whole[..whole.len() / 2], 1000).contains("cannot be read"));
        let mut flipped = whole;
        // The compressed bytes follow the local header of 30 bytes and the name.
        flipped[30 + "a.json".len() + 4] ^= 0x55;
        let said = refused(&flipped, 1000);
        assert!(said.starts_with("\"a.json\" in its zip archive is damaged"), "{said}");
    }
}
