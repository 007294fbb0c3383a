use std::path::PathBuf;

use bytes::Bytes;
use howdah_executor::{
    inference::{PictureRef, Whereabouts},
    source::{Library, Part, ReadError, read_listed},
};

use super::unlabelled::shown_name;

/// One picture, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// Where it is; what it is called, if it is part of something larger.
    pub path: PathBuf,
    /// Its path below the data folder, with `/` between the parts, or its name in what has it: what the split depends
    /// on.
    pub relative: String,
    /// The label of its class.
    pub label: u32,
    /// Its length; 0 if it isn't known before it is read.
    pub bytes: u64,
    /// When its file was last changed, in nanoseconds since 1970.
    pub modified_unix_ns: i64,
    /// Where it is, if it isn't a file of its own.
    pub part: Option<Part>,
}

impl PictureFile {
    /// The picture as one to be classified.
    pub fn reference(&self) -> PictureRef {
        let at = match &self.part {
            Some(part) => Whereabouts::part(part),
            // Executors may run in other folders.
            None => Whereabouts::file(&std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())),
        };
        PictureRef { name: shown_name(&self.path), at }
    }

    /// Reads the picture, if it is still what was listed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, library: &mut Library) -> Result<Bytes, ReadError> {
        match &self.part {
            Some(part) => library.read(part),
            None => read_listed(&self.path, self.bytes, self.modified_unix_ns),
        }
    }
}
