use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};

use super::{Manifest, SavedPart, attempt_path, part_path, staging, sync_folder};
use crate::rdd::RddError;

/// Completes a folder: it appears with the parts that the driver was told of, one for each partition in order, and
/// with nothing else. What was completed under the same token before stays as it is.
///
/// # Errors
/// [`RddError::File`], naming the file, if a part is not there, or the folder is, and not by this token.
pub fn commit(folder: &Path, token: &str, parts: &[SavedPart]) -> Result<(), RddError> {
    let staging = staging(folder, token)?;
    let wrong = |reason: String| RddError::File { path: folder.to_owned(), reason };
    if folder.exists() {
        return match Manifest::open(folder) {
            Ok(manifest) if manifest.token() == token => Ok(()),
            _ => Err(wrong("it exists already".to_owned())),
        };
    }
    if let Some(place) =
        (0..).zip(parts).find_map(|(place, part)| (part.partition.0 != place).then_some(place))
    {
        return Err(wrong(format!("part {place} was not written")));
    }
    if parts.is_empty() {
        fs::create_dir_all(&staging).map_err(|error| RddError::file(&staging, &error))?;
    }
    for part in parts {
        let place = part_path(&staging, part.partition.0);
        let written = attempt_path(&staging, part.partition.0, part.attempt);
        match fs::rename(&written, &place) {
            Ok(()) => {}
            // A driver that broke off in the middle has renamed it already.
            Err(error) if error.kind() == ErrorKind::NotFound && place.exists() => {}
            Err(error) => return Err(RddError::file(&written, &error)),
        }
        let bytes = fs::metadata(&place).map_err(|error| RddError::file(&place, &error))?.len();
        if bytes != part.bytes {
            let reason = format!("it has {bytes} bytes instead of {}", part.bytes);
            return Err(RddError::File { path: place, reason });
        }
    }
    remove_losers(&staging)?;
    let entries: Vec<_> = parts.iter().map(SavedPart::entry).collect();
    let path = Manifest::path(&staging);
    File::create(&path)
        .and_then(|mut file| {
            file.write_all(&Manifest::encode(token, &entries))?;
            file.sync_all()
        })
        .map_err(|error| RddError::file(&path, &error))?;
    sync_folder(&staging)?;
    fs::rename(&staging, folder).map_err(|error| RddError::file(folder, &error))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Removes what was written of a folder that will not be completed. If it was completed after all, it stays.
///
/// # Errors
/// [`RddError::File`].
pub fn discard(folder: &Path, token: &str) -> Result<(), RddError> {
    let staging = staging(folder, token)?;
    // At once, so that a commit on its way finds all of it or nothing.
    let gone = staging.with_extension("discarded");
    let absent = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(RddError::file(&staging, &error)),
    };
    fs::rename(&staging, &gone).or_else(absent)?;
    fs::remove_dir_all(&gone).or_else(absent)
}

/// Removes the files of attempts that were not chosen: their names have a part more.
fn remove_losers(staging: &Path) -> Result<(), RddError> {
    let failed = |error: std::io::Error| RddError::file(staging, &error);
    for entry in fs::read_dir(staging).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.split('.').count() > 2 {
            fs::remove_file(&path).map_err(|error| RddError::file(&path, &error))?;
        }
    }
    Ok(())
}
