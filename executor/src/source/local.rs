use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use howdah_proto::pb;

use super::MAX_FILE_BYTES;

/// Turns a file's time into nanoseconds since 1970.
pub fn modified_unix_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// Reads a file that is the one the driver listed: same path, length and time; none if it isn't here.
pub(super) fn read(file: &pb::FileEntry) -> Option<Result<Bytes, String>> {
    let metadata = fs::metadata(&file.path).ok()?;
    let modified = metadata.modified().ok().map(modified_unix_ns);
    if !metadata.is_file() || metadata.len() != file.bytes || modified != Some(file.modified_unix_ns) {
        return None;
    }
    if file.bytes > MAX_FILE_BYTES {
        return Some(Err(format!("{} bytes are more than a picture may have", file.bytes)));
    }
    fs::read(&file.path).ok().map(|bytes| Ok(bytes.into()))
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
