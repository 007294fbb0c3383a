use bytes::{Bytes, BytesMut};

use crate::rdd::{
    Batch, FrameError,
    batch::{FRAME_HEADER_BYTES, Frame},
};

/// Puts frames together from the pieces in which they arrive.
#[derive(Debug)]
pub struct Assembler {
    pending: BytesMut,
    left: u64,
}

/// The frame that comes next.
#[derive(Debug, PartialEq)]
pub enum Assembled {
    /// It is complete.
    Batch(Batch),
    /// More must arrive first. If its header has arrived already, the frame takes so many bytes.
    Incomplete(Option<usize>),
}

impl Assembler {
    /// Waits for frames of so many bytes in all.
    pub fn new(bytes: u64) -> Self {
        Self { pending: BytesMut::new(), left: bytes }
    }

    /// Whether everything that was announced has been handed out.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.pending.is_empty()
    }

    /// Takes a piece; [`Self::next_frame`] must have said that there is no complete frame.
    ///
    /// # Errors
    /// [`FrameError::Length`] if it is more than was announced.
    pub fn push(&mut self, piece: &Bytes) -> Result<(), FrameError> {
        let bytes = piece.len() as u64;
        if bytes > self.left {
            return Err(FrameError::Length { expected: self.left as usize, got: piece.len() });
        }
        self.left -= bytes;
        self.pending.extend_from_slice(piece);
        Ok(())
    }

    /// Takes the next frame, if it is complete.
    ///
    /// # Errors
    /// [`FrameError`] if it is damaged, or longer than what was announced.
    pub fn next_frame(&mut self) -> Result<Assembled, FrameError> {
        let Some(header) = self.pending.first_chunk::<FRAME_HEADER_BYTES>() else {
            return match self.left {
                0 if !self.pending.is_empty() => {
                    Err(FrameError::Length { expected: FRAME_HEADER_BYTES, got: self.pending.len() })
                }
                _ => Ok(Assembled::Incomplete(None)),
            };
        };
        let frame = Frame::header(*header);
        let bytes = FRAME_HEADER_BYTES + frame.content_bytes();
        if bytes as u64 > self.left + self.pending.len() as u64 {
            return Err(FrameError::Length { expected: bytes, got: self.left as usize + self.pending.len() });
        }
        if self.pending.len() < bytes {
            return Ok(Assembled::Incomplete(Some(bytes)));
        }
        let whole = self.pending.split_to(bytes);
        frame.read(&whole[FRAME_HEADER_BYTES..]).map(Assembled::Batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(record: &[u8]) -> (Batch, Vec<u8>) {
        let mut batch = Batch::new();
        batch.push_whole(&[record]).unwrap();
        let mut bytes = Vec::new();
        Frame::write(&batch, &mut bytes);
        (batch, bytes)
    }

    fn assemble(bytes: &[u8], announced: u64, piece: usize) -> Result<Vec<Batch>, FrameError> {
        let mut assembler = Assembler::new(announced);
        let mut batches = Vec::new();
        for piece in bytes.chunks(piece) {
            assembler.push(&Bytes::copy_from_slice(piece))?;
            while let Assembled::Batch(batch) = assembler.next_frame()? {
                batches.push(batch);
            }
        }
        assert!(assembler.is_done());
        Ok(batches)
    }

    #[test]
    fn frames_are_put_together_from_pieces_of_any_size() {
        let (first, mut bytes) = frame(b"first");
        let (second, more) = frame(b"second");
        bytes.extend(more);
        for piece in 1..=bytes.len() {
            let batches = assemble(&bytes, bytes.len() as u64, piece).unwrap();
            assert_eq!(batches, [first.clone(), second.clone()]);
        }
    }

    #[test]
    fn lengths_that_are_lies_are_refused() {
        let (_, mut bytes) = frame(b"record");
        let all = bytes.len() as u64;
        assert!(assemble(&bytes, all - 1, 1).is_err());
        bytes[3] = 0xff;
        assert!(matches!(assemble(&bytes, all, 12), Err(FrameError::Length { .. })));
        assert!(assemble(&[0; 3], 3, 3).is_err());
    }
}
