use super::{Batch, Ends};

/// Bytes before the content of a frame: records, bytes of data, checksum.
pub const FRAME_HEADER_BYTES: usize = 12;

/// The header of a frame: a batch as it lies in a file or travels. After it come the places of its records, 8 bytes
/// each, and their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    rows: u32,
    data: u32,
    checksum: u32,
}

/// A frame that isn't what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The content is not what the checksum says.
    #[error("the checksum of a batch is wrong: it was damaged on its way or on disk")]
    Checksum,
    /// There is more or less content than announced.
    #[error("a batch has {got} bytes instead of {expected}")]
    Length {
        /// What the header says.
        expected: usize,
        /// What there is.
        got: usize,
    },
    /// Records don't lie one after the other.
    #[error("the records of a batch overlap")]
    Ends,
}

impl Frame {
    /// Writes a batch as a frame.
    pub fn write(batch: &Batch, out: &mut Vec<u8>) {
        let ends: &[u8] = bytemuck::cast_slice(&batch.ends);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(ends);
        hasher.update(&batch.data);
        out.reserve(FRAME_HEADER_BYTES + ends.len() + batch.data.len());
        out.extend_from_slice(&(batch.ends.len() as u32).to_le_bytes());
        out.extend_from_slice(&(batch.data.len() as u32).to_le_bytes());
        out.extend_from_slice(&hasher.finalize().to_le_bytes());
        out.extend_from_slice(ends);
        out.extend_from_slice(&batch.data);
    }

    /// Reads a header.
    pub fn header(bytes: [u8; FRAME_HEADER_BYTES]) -> Self {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self { rows: number(0), data: number(4), checksum: number(8) }
    }

    /// Bytes that follow the header.
    pub fn content_bytes(self) -> usize {
        self.rows as usize * size_of::<Ends>() + self.data as usize
    }

    /// Checks the content that follows the header, and makes the batch.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn read(self, content: &[u8]) -> Result<Batch, FrameError> {
        if content.len() != self.content_bytes() {
            return Err(FrameError::Length { expected: self.content_bytes(), got: content.len() });
        }
        if crc32fast::hash(content) != self.checksum {
            return Err(FrameError::Checksum);
        }
        let (places, data) = content.split_at(self.rows as usize * size_of::<Ends>());
        let ends: Vec<Ends> = bytemuck::pod_collect_to_vec(places);
        let mut last = 0;
        for end in &ends {
            if !(last <= end.key && end.key <= end.row) {
                return Err(FrameError::Ends);
            }
            last = end.row;
        }
        if last != self.data {
            return Err(FrameError::Ends);
        }
        Ok(Batch { data: data.to_vec(), ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed() -> (Batch, Vec<u8>) {
        let mut batch = Batch::new();
        batch.push_pair(b"key", &[b"value"]).unwrap();
        batch.push_whole(&[]).unwrap();
        let mut bytes = Vec::new();
        Frame::write(&batch, &mut bytes);
        (batch, bytes)
    }

    fn read(bytes: &[u8]) -> Result<Batch, FrameError> {
        let (header, content) = bytes.split_first_chunk().unwrap();
        Frame::header(*header).read(content)
    }

    #[test]
    fn a_batch_survives_its_frame() {
        let (batch, bytes) = framed();
        assert_eq!(read(&bytes), Ok(batch));
    }

    #[test]
    fn a_damaged_frame_is_refused() {
        let (_, bytes) = framed();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
        assert!(matches!(read(&bytes[..bytes.len() - 1]), Err(FrameError::Length { .. })));
    }

    #[test]
    fn records_that_overlap_are_refused() {
        let ends: [u32; 4] = [1, 5, 3, 3];
        let mut content: Vec<u8> = bytemuck::cast_slice(&ends).to_vec();
        content.extend_from_slice(b"abc");
        let frame = Frame { rows: 2, data: 3, checksum: crc32fast::hash(&content) };
        assert_eq!(frame.read(&content), Err(FrameError::Ends));
    }
}
