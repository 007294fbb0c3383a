//! Records in a folder of files, one for each partition, that is there as a whole or not at all.
//!
//! Tasks write their parts into a folder beside the one that is wanted; [`commit`] writes the manifest there and gives
//! the folder its name.

mod commit;
mod manifest;
mod part;
mod read;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use howdah_proto::AttemptId;

pub use commit::{commit, discard};
pub use manifest::{Manifest, PartEntry};
pub use part::{SavedPart, write_part};
pub use read::{SavedRows, open_part};

use super::RddError;

/// What every file of records begins with.
const PART_MAGIC: &[u8; 8] = b"HWDROWS1";

/// The file of a partition in a folder that is complete.
fn part_path(folder: &Path, partition: u32) -> PathBuf {
    folder.join(format!("part-{partition:05}.rows"))
}

/// The file that an attempt wrote for a partition.
fn attempt_path(staging: &Path, partition: u32, attempt: AttemptId) -> PathBuf {
    let AttemptId { job, stage, attempt, .. } = attempt;
    staging.join(format!("part-{partition:05}.{job}-{stage}-{attempt}.rows"))
}

/// The folder in which parts wait for the whole to be complete.
fn staging(folder: &Path, token: &str) -> Result<PathBuf, RddError> {
    let wrong = |reason: &str| RddError::File { path: folder.to_owned(), reason: reason.to_owned() };
    let simple = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if token.is_empty() || !token.chars().all(simple) {
        return Err(wrong("it can't be written under a token that isn't letters, digits and hyphens"));
    }
    let name = folder.file_name().ok_or_else(|| wrong("it is no name for a new folder"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{token}.partial"));
    Ok(folder.with_file_name(hidden))
}

/// Makes what was written under a folder's names last.
fn sync_folder(folder: &Path) -> Result<(), RddError> {
    // The parent of a relative name without folders is the empty path.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| RddError::file(folder, &error))
}
