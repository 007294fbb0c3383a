use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use howdah_proto::pb;

use super::{MAX_FILE_BYTES, ReadError};

/// Turns a file's time into nanoseconds since 1970.
pub fn modified_unix_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// Reads a file that is the one the driver listed: same path, length and time; none if it isn't here.
pub(super) fn read(file: &pb::FileEntry) -> Option<Result<Bytes, String>> {
    match read_listed(Path::new(&file.path), file.bytes, file.modified_unix_ns) {
        Ok(bytes) => Some(Ok(bytes)),
        Err(ReadError::Content(reason)) => Some(Err(reason)),
        Err(ReadError::Absent { .. } | ReadError::Unanswered { .. } | ReadError::Changed { .. }) => None,
    }
}

/// Reads a file if it is the one that was listed: same length and time.
///
/// # Errors
/// [`ReadError`].
pub fn read_listed(path: &Path, bytes: u64, modified_at_ns: i64) -> Result<Bytes, ReadError> {
    let location = || path.to_string_lossy().into_owned();
    let absent = |error: io::Error| ReadError::Absent { location: location(), reason: error.to_string() };
    let metadata = fs::metadata(path).map_err(absent)?;
    let modified = metadata.modified().ok().map(modified_unix_ns);
    let same = metadata.is_file() && metadata.len() == bytes && modified == Some(modified_at_ns);
    if !same {
        return Err(ReadError::Changed { location: location() });
    }
    if bytes > MAX_FILE_BYTES {
        return Err(ReadError::Content(format!("{bytes} bytes are more than a picture may have")));
    }
    let content = fs::read(path).map_err(absent)?;
    if content.len() as u64 != bytes {
        return Err(ReadError::Changed { location: location() });
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_here_only_if_it_is_the_one_that_was_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        fs::write(&path, b"abc").unwrap();
        let modified = modified_unix_ns(fs::metadata(&path).unwrap().modified().unwrap());
        let entry = pb::FileEntry {
            path: path.to_str().unwrap().to_owned(),
            bytes: 3,
            modified_unix_ns: modified,
            ..pb::FileEntry::default()
        };
        assert_eq!(read(&entry), Some(Ok(Bytes::from_static(b"abc"))));
        assert_eq!(read(&pb::FileEntry { bytes: 4, ..entry.clone() }), None);
        assert_eq!(read(&pb::FileEntry { modified_unix_ns: 1, ..entry.clone() }), None);
        assert_eq!(read(&pb::FileEntry { path: "/nowhere/a.jpg".to_owned(), ..entry }), None);
    }
}
