use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use howdah_proto::Partition;

use super::{Manifest, PART_MAGIC, PartEntry, part_path};
use crate::rdd::{
    Batch, RddError, Rows,
    batch::{FRAME_HEADER_BYTES, Frame},
};

/// The rows of a saved partition.
pub struct SavedRows {
    path: PathBuf,
    file: BufReader<File>,
    expected: PartEntry,
    rows: u64,
    left: u64,
    hasher: crc32fast::Hasher,
    content: Vec<u8>,
}

/// Opens a partition of a complete folder.
///
/// # Errors
/// [`RddError::File`], naming the folder or file, if the folder is not complete or the file isn't what its manifest
/// says.
pub fn open_part(folder: &Path, partition: Partition) -> Result<SavedRows, RddError> {
    let expected = Manifest::open(folder)?.part(partition)?;
    let path = part_path(folder, partition.0);
    let failed = |error: std::io::Error| RddError::file(&path, &error);
    let file = File::open(&path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes != expected.bytes {
        let reason = format!("it has {bytes} bytes, and {} by the manifest: it was changed", expected.bytes);
        return Err(RddError::File { path, reason });
    }
    let file = BufReader::with_capacity(256 << 10, file);
    let mut rows = SavedRows {
        path,
        file,
        expected,
        rows: 0,
        left: bytes,
        hasher: crc32fast::Hasher::new(),
        content: Vec::new(),
    };
    if rows.read::<8>()? != *PART_MAGIC {
        return Err(rows.wrong("it is no file of saved records"));
    }
    Ok(rows)
}

impl SavedRows {
    fn wrong(&self, reason: &str) -> RddError {
        RddError::File { path: self.path.clone(), reason: reason.to_owned() }
    }

    fn take(&mut self, bytes: usize) -> Result<(), RddError> {
        self.left =
            self.left.checked_sub(bytes as u64).ok_or_else(|| self.wrong("its last batch is cut off"))?;
        Ok(())
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N], RddError> {
        self.take(N)?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|error| RddError::file(&self.path, &error))?;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn check_end(&self) -> Result<(), RddError> {
        if self.rows != self.expected.rows || self.hasher.clone().finalize() != self.expected.checksum {
            return Err(self.wrong("it is not what the manifest says: it was changed"));
        }
        Ok(())
    }
}

impl Rows for SavedRows {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        while self.left > 0 {
            let frame = Frame::header(self.read::<FRAME_HEADER_BYTES>()?);
            // Before it is allocated, it is known to be in the file.
            self.take(frame.content_bytes())?;
            self.content.resize(frame.content_bytes(), 0);
            self.file.read_exact(&mut self.content).map_err(|error| RddError::file(&self.path, &error))?;
            self.hasher.update(&self.content);
            let batch = frame.read(&self.content).map_err(|error| self.wrong(&error.to_string()))?;
            self.rows += batch.len() as u64;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.check_end()?;
        Ok(None)
    }
}
