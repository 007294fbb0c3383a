use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use bytes::{Buf, Bytes};

use super::Object;

/// An object as a stream that can be read from any place on.
#[derive(Debug)]
pub struct ObjectStream {
    object: Arc<Object>,
    /// Where `ahead` begins.
    at: u64,
    ahead: Bytes,
    ahead_bytes: usize,
}

impl ObjectStream {
    /// Begins at `offset`, and reads at least `ahead_bytes` at once.
    pub fn new(object: Arc<Object>, offset: u64, ahead_bytes: usize) -> Self {
        Self { object, at: offset, ahead: Bytes::new(), ahead_bytes }
    }
}

impl Read for ObjectStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            let wanted = buffer.len().max(self.ahead_bytes);
            self.ahead = self.object.read_near(self.at, wanted).map_err(io::Error::other)?;
        }
        let bytes = buffer.len().min(self.ahead.len());
        self.ahead.copy_to_slice(&mut buffer[..bytes]);
        self.at += bytes as u64;
        Ok(bytes)
    }
}

impl Seek for ObjectStream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.object.known().bytes.checked_add_signed(by),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        let forward = target.checked_sub(self.at).and_then(|by| usize::try_from(by).ok());
        match forward.filter(|by| *by <= self.ahead.len()) {
            Some(by) => self.ahead.advance(by),
            None => self.ahead = Bytes::new(),
        }
        self.at = target;
        Ok(target)
    }
}
