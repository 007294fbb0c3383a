use bytes::{Buf, Bytes};

use crate::rdd::{
    Batch, FrameError, RddError, Rows,
    batch::{FRAME_HEADER_BYTES, Frame},
};

/// The rows of frames that lie in memory: a slice of a collection, or the result of a task.
pub struct Frames {
    bytes: Bytes,
}

impl Frames {
    /// Makes rows of frames; each is checked when it is read.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    fn read(&mut self) -> Result<Batch, FrameError> {
        let Some((header, content)) = self.bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            return Err(FrameError::Length { expected: FRAME_HEADER_BYTES, got: self.bytes.len() });
        };
        let frame = Frame::header(*header);
        let expected = frame.content_bytes();
        let content = content.get(..expected).ok_or(FrameError::Length { expected, got: content.len() })?;
        let batch = frame.read(content)?;
        self.bytes.advance(FRAME_HEADER_BYTES + expected);
        Ok(batch)
    }
}

impl Rows for Frames {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        while !self.bytes.is_empty() {
            let batch = self.read()?;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::{batch_of, failure, records};

    #[test]
    fn frames_give_their_records_and_damaged_ones_are_refused() {
        let mut bytes = Vec::new();
        Frame::write(&batch_of(&[(1u8, 2u8)]), &mut bytes);
        Frame::write(&Batch::new(), &mut bytes);
        Frame::write(&batch_of(&[(3u8, 4u8), (5, 6)]), &mut bytes);
        assert_eq!(records::<(u8, u8)>(Frames::new(bytes.clone().into())), [(1, 2), (3, 4), (5, 6)]);
        let cut = Bytes::from(bytes).slice(..40);
        assert!(failure(Frames::new(cut)).contains("bytes instead of"));
    }
}
