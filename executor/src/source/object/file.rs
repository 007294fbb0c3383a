use std::{fs::File, os::unix::fs::FileExt};

use bytes::Bytes;

use super::{ObjectRef, ReadError};
use crate::source::modified_unix_ns;

pub(super) fn look_up(location: &str) -> Result<ObjectRef, ReadError> {
    let absent = |reason: String| ReadError::Absent { location: location.to_owned(), reason };
    let metadata = std::fs::metadata(location).map_err(|error| absent(error.to_string()))?;
    if !metadata.is_file() {
        return Err(absent("it is no file".to_owned()));
    }
    let modified = metadata.modified().map_err(|error| absent(error.to_string()))?;
    Ok(ObjectRef {
        location: location.to_owned(),
        bytes: metadata.len(),
        modified_unix_ns: modified_unix_ns(modified),
        etag: None,
    })
}

pub(super) fn open(known: &ObjectRef) -> Result<File, ReadError> {
    if look_up(&known.location)? != *known {
        return Err(ReadError::Changed { location: known.location.clone() });
    }
    File::open(&known.location).map_err(|error| absent(known, &error))
}

/// Reads a range of a file that is still what it was.
pub(super) fn read(file: &File, known: &ObjectRef, offset: u64, bytes: usize) -> Result<Bytes, ReadError> {
    let mut content = vec![0; bytes];
    let read = file.read_exact_at(&mut content, offset);
    // Asked afterwards: what was read is what was listed, if it hasn't changed until now.
    let metadata = file.metadata().map_err(|error| absent(known, &error))?;
    let modified = metadata.modified().ok().map(modified_unix_ns);
    if metadata.len() != known.bytes || modified != Some(known.modified_unix_ns) {
        return Err(ReadError::Changed { location: known.location.clone() });
    }
    read.map_err(|error| absent(known, &error))?;
    Ok(content.into())
}

fn absent(known: &ObjectRef, error: &std::io::Error) -> ReadError {
    ReadError::Absent { location: known.location.clone(), reason: error.to_string() }
}
