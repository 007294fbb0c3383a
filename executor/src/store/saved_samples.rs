use std::sync::Arc;

use super::{Scratch, ScratchFile};
use crate::rdd::{FrameError, RddError, Samples, SamplesHeader};

/// A block of samples in a scratch file.
#[derive(Debug)]
pub(super) struct SavedSamples {
    header: SamplesHeader,
    file: ScratchFile,
    checksum: u32,
}

impl SavedSamples {
    /// Copies a block into a scratch file.
    pub(super) fn write(scratch: &Arc<Scratch>, samples: &Samples) -> Result<Self, RddError> {
        let mut file = scratch.create()?;
        let mut checksum = crc32fast::Hasher::new();
        for part in samples.parts() {
            file.append(part)?;
            checksum.update(part);
        }
        Ok(Self { header: samples.header(), file, checksum: checksum.finalize() })
    }

    /// Reads the block.
    ///
    /// # Errors
    /// [`RddError`] if the file can't be read, or is not what was written.
    pub(super) fn read(&self) -> Result<Samples, RddError> {
        let mut bytes = vec![0; self.file.bytes() as usize];
        self.file.read_at(&mut bytes, 0)?;
        if crc32fast::hash(&bytes) != self.checksum {
            return Err(FrameError::Checksum.into());
        }
        Samples::from_wire(&self.header, &bytes).map_err(|_| FrameError::Checksum.into())
    }
}
