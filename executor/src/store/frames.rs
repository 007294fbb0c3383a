use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{Scratch, ScratchFile};
use crate::{
    memory::Pin,
    rdd::{
        Batch, FrameError, RddError, Rows,
        batch::{FRAME_HEADER_BYTES, Frame},
    },
};

/// What is read from a file at once, if a frame isn't larger.
const READ_AHEAD_BYTES: usize = 64 << 10;

/// Encoded batches, one after the other, in memory or in a scratch file. A place among them is counted in bytes.
#[derive(Debug)]
pub struct Frames {
    content: Content,
    bytes: u64,
}

#[derive(Debug)]
enum Content {
    Memory { frames: Vec<Bytes>, ends: Vec<u64> },
    File(ScratchFile),
}

impl Frames {
    /// Takes frames in memory.
    pub fn in_memory(frames: Vec<Bytes>) -> Self {
        let mut bytes = 0;
        let ends = frames.iter().map(|frame| {
            bytes += frame.len() as u64;
            bytes
        });
        let ends = ends.collect();
        Self { content: Content::Memory { frames, ends }, bytes }
    }

    /// Takes frames in a file.
    pub fn in_file(file: ScratchFile) -> Self {
        Self { bytes: file.bytes(), content: Content::File(file) }
    }

    /// Bytes of all frames.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether they are in memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.content, Content::Memory { .. })
    }

    /// Copies them into a scratch file.
    ///
    /// # Errors
    /// [`RddError::File`], naming the file.
    pub fn to_disk(&self, scratch: &Arc<Scratch>) -> Result<Self, RddError> {
        let mut file = scratch.create()?;
        let mut at = 0;
        while at < self.bytes {
            let chunk = self.chunk(at..self.bytes, READ_AHEAD_BYTES)?;
            at += chunk.len() as u64;
            file.append(&chunk)?;
        }
        Ok(Self::in_file(file))
    }

    /// The next bytes of a range, at most `limit` and at least one: those in memory aren't copied, those in a file
    /// are read in the calling thread.
    ///
    /// # Errors
    /// [`RddError::File`], or [`RddError::Frame`] if the range is not within the frames.
    pub fn chunk(&self, range: Range<u64>, limit: usize) -> Result<Bytes, RddError> {
        if range.is_empty() || range.end > self.bytes {
            return Err(FrameError::Length { expected: range.end as usize, got: self.bytes as usize }.into());
        }
        let wanted = (range.end - range.start).min(limit as u64) as usize;
        match &self.content {
            Content::Memory { frames, ends } => {
                let index = ends.partition_point(|end| *end <= range.start);
                let frame = frames.get(index).cloned().unwrap_or_default();
                let before = ends.get(index).copied().unwrap_or_default() - frame.len() as u64;
                let from = (range.start - before) as usize;
                Ok(frame.slice(from..frame.len().min(from + wanted)))
            }
            Content::File(file) => {
                let mut bytes = vec![0; wanted];
                file.read_at(&mut bytes, range.start)?;
                Ok(bytes.into())
            }
        }
    }

    /// The batches in a range, which must begin and end where frames do.
    pub fn read(self: &Arc<Self>, range: Range<u64>, pin: Option<Pin>) -> FrameReader {
        FrameReader { frames: Arc::clone(self), range, ahead: Bytes::new(), _pin: pin }
    }
}

/// Reads batches from frames.
#[derive(Debug)]
pub struct FrameReader {
    frames: Arc<Frames>,
    range: Range<u64>,
    ahead: Bytes,
    _pin: Option<Pin>,
}

impl FrameReader {
    /// Takes the next bytes, of which there must be so many in the range.
    fn take(&mut self, bytes: usize) -> Result<Bytes, RddError> {
        let left = self.ahead.len() as u64 + (self.range.end - self.range.start.min(self.range.end));
        if bytes as u64 > left {
            return Err(FrameError::Length { expected: bytes, got: left as usize }.into());
        }
        if self.ahead.len() < bytes {
            // A frame in memory is one chunk, so only what is read from a file has to be joined.
            let missing = bytes - self.ahead.len();
            let chunk = self.frames.chunk(self.range.clone(), missing.max(READ_AHEAD_BYTES))?;
            self.range.start += chunk.len() as u64;
            self.ahead =
                if self.ahead.is_empty() { chunk } else { Bytes::from([&self.ahead[..], &chunk].concat()) };
        }
        if self.ahead.len() < bytes {
            return Err(FrameError::Length { expected: bytes, got: self.ahead.len() }.into());
        }
        Ok(self.ahead.split_to(bytes))
    }
}

impl Rows for FrameReader {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        loop {
            if self.ahead.is_empty() && self.range.is_empty() {
                return Ok(None);
            }
            let header = self.take(FRAME_HEADER_BYTES)?;
            let header = header.first_chunk().copied().ok_or(FrameError::Checksum)?;
            let frame = Frame::header(header);
            let content = self.take(frame.content_bytes())?;
            let batch = frame.read(&content)?;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(records: Range<u32>) -> Bytes {
        let mut batch = Batch::new();
        records.for_each(|record| batch.push_whole(&[&record.to_be_bytes()]).unwrap());
        let mut bytes = Vec::new();
        Frame::write(&batch, &mut bytes);
        bytes.into()
    }

    fn records(mut rows: impl Rows) -> Result<Vec<u32>, RddError> {
        let mut all = Vec::new();
        while let Some(batch) = rows.next_batch()? {
            all.extend(batch.rows().map(|row| u32::from_be_bytes(row.bytes().try_into().unwrap())));
        }
        Ok(all)
    }

    #[test]
    fn a_range_is_read_alike_from_memory_and_from_disk() {
        let scratch = Scratch::new(None).unwrap();
        let parts = vec![frame(0..3), frame(3..30_000), frame(30_000..30_001)];
        let range = parts[0].len() as u64..parts.iter().map(|part| part.len() as u64).sum();
        let memory = Arc::new(Frames::in_memory(parts));
        let disk = Arc::new(memory.to_disk(&scratch).unwrap());
        assert_eq!(disk.bytes(), memory.bytes());
        for frames in [&memory, &disk] {
            let expected: Vec<u32> = (3..30_001).collect();
            assert_eq!(records(frames.read(range.clone(), None)).unwrap(), expected);
            assert!(records(frames.read(0..0, None)).unwrap().is_empty());
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_data() {
        let scratch = Scratch::new(None).unwrap();
        let whole = frame(0..100);
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0x80;
            let mut file = scratch.create().unwrap();
            file.append(&damaged).unwrap();
            let frames = Arc::new(Frames::in_file(file));
            assert!(records(frames.read(0..frames.bytes(), None)).is_err(), "byte {at}");
        }
        let frames = Arc::new(Frames::in_memory(vec![whole]));
        assert!(records(frames.read(0..frames.bytes() - 1, None)).is_err());
        assert!(frames.chunk(0..frames.bytes() + 1, 10).is_err());
    }
}
