use std::path::PathBuf;

use bytes::Bytes;
use howdah_executor::source::Library;

use crate::dataset::PictureFile;

/// A picture that can be read to be classified.
pub trait Picture: Sync {
    /// Gives what it is called.
    fn name(&self) -> String;

    /// Reads it, encoded.
    ///
    /// # Errors
    /// Why it can't be read.
    fn read(&self, library: &mut Library) -> Result<Bytes, String>;
}

impl Picture for PathBuf {
    fn name(&self) -> String {
        self.to_string_lossy().into_owned()
    }

    fn read(&self, _: &mut Library) -> Result<Bytes, String> {
        std::fs::read(self).map(Bytes::from).map_err(|error| error.to_string())
    }
}

impl Picture for PictureFile {
    fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    fn read(&self, library: &mut Library) -> Result<Bytes, String> {
        self.read(library).map_err(|error| error.to_string())
    }
}
