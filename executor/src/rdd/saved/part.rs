use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use howdah_proto::{AttemptId, Partition};
use serde::{Deserialize, Serialize};

use super::{PART_MAGIC, PartEntry, attempt_path, staging};
use crate::rdd::{RddError, Rows, batch::Frame};

/// A part that an attempt has written, as it tells the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPart {
    /// The partition.
    pub partition: Partition,
    /// Who wrote it.
    pub attempt: AttemptId,
    /// How many records it has.
    pub rows: u64,
    /// How many bytes its file has.
    pub bytes: u64,
    /// The CRC-32 of its file.
    pub checksum: u32,
}

impl SavedPart {
    pub(super) fn entry(&self) -> PartEntry {
        PartEntry { rows: self.rows, bytes: self.bytes, checksum: self.checksum }
    }
}

/// Writes a partition of what will be `folder`. Attempts don't disturb each other: each has its own file, which is
/// there when it is complete and on disk.
///
/// # Errors
/// [`RddError`].
pub fn write_part(
    folder: &Path,
    token: &str,
    partition: Partition,
    attempt: AttemptId,
    rows: &mut dyn Rows,
) -> Result<SavedPart, RddError> {
    let staging = staging(folder, token)?;
    if folder.exists() {
        // The folder is complete, or was there before: nothing may be added.
        return Err(RddError::File { path: folder.to_owned(), reason: "it exists already".to_owned() });
    }
    fs::create_dir_all(&staging).map_err(|error| RddError::file(&staging, &error))?;
    let path = attempt_path(&staging, partition.0, attempt);
    let writing = path.with_extension("writing");
    let written = write(&writing, rows).and_then(|entry| {
        fs::rename(&writing, &path).map_err(|error| RddError::file(&path, &error))?;
        super::sync_folder(&staging)?;
        Ok(entry)
    });
    let PartEntry { rows, bytes, checksum } = written.inspect_err(|_| {
        // What can't be removed is removed with the folder that it lies in.
        let _ = fs::remove_file(&writing);
    })?;
    Ok(SavedPart { partition, attempt, rows, bytes, checksum })
}

fn write(path: &Path, rows: &mut dyn Rows) -> Result<PartEntry, RddError> {
    let failed = |error: std::io::Error| RddError::file(path, &error);
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut hasher = crc32fast::Hasher::new();
    let mut entry = PartEntry { rows: 0, bytes: 0, checksum: 0 };
    let mut put = |bytes: &[u8], entry: &mut PartEntry| {
        hasher.update(bytes);
        entry.bytes += bytes.len() as u64;
        file.write_all(bytes).map_err(failed)
    };
    put(PART_MAGIC, &mut entry)?;
    let mut frame = Vec::new();
    while let Some(batch) = rows.next_batch()? {
        frame.clear();
        Frame::write(&batch, &mut frame);
        put(&frame, &mut entry)?;
        entry.rows += batch.len() as u64;
    }
    entry.checksum = hasher.finalize();
    file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    Ok(entry)
}
