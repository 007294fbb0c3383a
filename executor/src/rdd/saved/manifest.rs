use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use howdah_proto::Partition;

use crate::rdd::RddError;

/// What a manifest begins with.
const MAGIC: &[u8; 8] = b"HWDSAVE1";
/// The beginning of a manifest: magic, parts and length of the token.
const HEADER_BYTES: usize = 16;
/// The entry of a part: rows, bytes and checksum of its file, checksum of the entry.
const ENTRY_BYTES: usize = 24;
/// The longest token.
const MAX_TOKEN_BYTES: u32 = 1024;

/// What a file of records must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartEntry {
    /// How many records it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// The CRC-32 of all its bytes.
    pub checksum: u32,
}

/// The manifest of a complete folder: how many parts it has, and what each must be. A part is looked up alone, so
/// that a task does not read about all others.
#[derive(Debug)]
pub struct Manifest {
    path: PathBuf,
    file: File,
    parts: u32,
    token: String,
}

impl Manifest {
    /// Where the manifest of a folder lies.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join("MANIFEST")
    }

    /// Writes a manifest down.
    pub(super) fn encode(token: &str, entries: &[PartEntry]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + ENTRY_BYTES * entries.len() + token.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        out.extend_from_slice(&(token.len() as u32).to_le_bytes());
        for (partition, entry) in (0..).zip(entries) {
            let bytes = entry.encode();
            out.extend_from_slice(&bytes);
            out.extend_from_slice(&checksum(partition, &bytes).to_le_bytes());
        }
        out.extend_from_slice(token.as_bytes());
        out
    }

    /// Opens the manifest of a folder.
    ///
    /// # Errors
    /// [`RddError::File`], naming the folder, if it wasn't completed or is something else.
    pub fn open(folder: &Path) -> Result<Self, RddError> {
        let wrong = |reason: String| RddError::File { path: folder.to_owned(), reason };
        let path = Self::path(folder);
        let mut file = File::open(&path).map_err(|error| {
            wrong(format!(
                "it has no manifest, so it is no folder of saved records, or was never completed ({error})"
            ))
        })?;
        let mut header = [0; HEADER_BYTES];
        let foreign = || wrong("its manifest is not one of saved records".to_owned());
        file.read_exact(&mut header).map_err(|_| foreign())?;
        let number =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (parts, token_bytes) = (number(8), number(12));
        let length = file.metadata().map_err(|error| RddError::file(&path, &error))?.len();
        let expected = HEADER_BYTES as u64 + u64::from(parts) * ENTRY_BYTES as u64 + u64::from(token_bytes);
        if header[..8] != *MAGIC || length != expected || token_bytes > MAX_TOKEN_BYTES {
            return Err(foreign());
        }
        let mut token = vec![0; token_bytes as usize];
        file.seek(SeekFrom::Start(length - u64::from(token_bytes)))
            .and_then(|_| file.read_exact(&mut token))
            .map_err(|error| RddError::file(&path, &error))?;
        let token = String::from_utf8(token).map_err(|_| foreign())?;
        Ok(Self { path, file, parts, token })
    }

    /// How many parts the folder has.
    pub fn parts(&self) -> u32 {
        self.parts
    }

    /// Under which token it was completed.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What a part must be.
    ///
    /// # Errors
    /// [`RddError::File`] if there is no such part, or the entry was damaged.
    pub fn part(&mut self, partition: Partition) -> Result<PartEntry, RddError> {
        let wrong = |path: &Path, reason: String| RddError::File { path: path.to_owned(), reason };
        if partition.0 >= self.parts {
            return Err(wrong(&self.path, format!("it has {} parts and no part {partition}", self.parts)));
        }
        let mut entry = [0; ENTRY_BYTES];
        let at = HEADER_BYTES as u64 + u64::from(partition.0) * ENTRY_BYTES as u64;
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.read_exact(&mut entry))
            .map_err(|error| RddError::file(&self.path, &error))?;
        PartEntry::decode(partition.0, entry)
            .ok_or_else(|| wrong(&self.path, format!("what it says of part {partition} was damaged")))
    }
}

impl PartEntry {
    fn encode(&self) -> [u8; ENTRY_BYTES - 4] {
        let mut bytes = [0; ENTRY_BYTES - 4];
        bytes[..8].copy_from_slice(&self.rows.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[16..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    fn decode(partition: u32, bytes: [u8; ENTRY_BYTES]) -> Option<Self> {
        let (entry, written) = bytes.split_last_chunk::<4>()?;
        if checksum(partition, entry) != u32::from_le_bytes(*written) {
            return None;
        }
        let (rows, rest) = entry.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        Some(Self {
            rows: u64::from_le_bytes(*rows),
            bytes: u64::from_le_bytes(*bytes),
            checksum: u32::from_le_bytes(*rest.first_chunk()?),
        })
    }
}

fn checksum(partition: u32, entry: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&partition.to_le_bytes());
    hasher.update(entry);
    hasher.finalize()
}
