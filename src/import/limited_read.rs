//! Reading files whose size and compression nobody vouches for: plain JSON or a zip archive that holds it, never more
//! than a bound of it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use thiserror::Error;

use super::archive::{ArchiveError, unzip};

/// The largest text that is read from a file or out of an archive, in bytes. Posteriordb's largest reference draws and
/// data are below a fifth of it.
pub const LARGEST_TEXT: u64 = 1 << 29;

/// Why a file gave no text.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A directory, a pipe or a device stands where a file is expected.
    #[error("it is not a regular file")]
    NotAFile,
    /// The file, or what its archive unpacks to, is larger than the bound.
    #[error("it holds more than {} MiB, the most that is read", .0 >> 20)]
    TooLarge(u64),
    /// The zip archive cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The bytes are no text.
    #[error("it is not UTF-8 text")]
    NotText,
}

/// The bytes of a regular file of at most `limit` bytes.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    // Opening a pipe would wait for its writer: look first.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    read_bounded(File::open(path)?, limit)
}

/// The text of a JSON file from its bytes, which are the JSON itself or a zip archive with one JSON file; archives are
/// known by their content, not by their name. Unpacks at most `limit` bytes.
pub fn json_text(bytes: Vec<u8>, limit: u64) -> Result<String, ReadError> {
    let bytes = if bytes.starts_with(b"PK\x03\x04") { unzip(&bytes, limit)? } else { bytes };
    String::from_utf8(bytes).map_err(|_| ReadError::NotText)
}

/// Reads to the end, trusting no declared size.
pub(super) fn read_bounded(reader: impl Read, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(ReadError::TooLarge(limit)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    #[test]
    fn plain_and_zipped_text_read_the_same() {
        let text = r#"{"J": 8}"#;
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("eight.json", SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        let zipped = writer.finish().unwrap().into_inner();
        assert_eq!(json_text(text.into(), 100).unwrap(), text);
        assert_eq!(json_text(zipped, 100).unwrap(), text);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(matches!(json_text(vec![0xff, 0xfe], 10), Err(ReadError::NotText)));
        assert!(matches!(json_text(b"PK\x03\x04broken".to_vec(), 100), Err(ReadError::Archive(_))));
    }

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read_file(directory.path(), 10), Err(ReadError::NotAFile)));
        let path = directory.path().join("ten");
        std::fs::write(&path, [b'x'; 10]).unwrap();
        assert_eq!(read_file(&path, 10).unwrap().len(), 10);
        assert!(matches!(read_file(&path, 9), Err(ReadError::TooLarge(9))));
        assert!(matches!(read_file(&directory.path().join("none"), 9), Err(ReadError::Io(_))));
    }
}
