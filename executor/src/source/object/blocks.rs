use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};

use super::ReadError;

/// How much an object store is asked for at least.
const BLOCK_BYTES: u64 = 4 << 20;
/// How many blocks are kept.
const KEPT: usize = 16;

/// The blocks of an object that were read last.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    kept: Mutex<VecDeque<(u64, Bytes)>>,
}

impl Blocks {
    /// Reads a range of an object of `all` bytes by way of whole blocks.
    pub(super) fn read(
        &self,
        offset: u64,
        bytes: usize,
        all: u64,
        fetch: impl Fn(u64, usize) -> Result<Bytes, ReadError>,
    ) -> Result<Bytes, ReadError> {
        let end = offset + bytes as u64;
        let mut out = BytesMut::with_capacity(bytes);
        let mut at = offset;
        while at < end {
            let start = at / BLOCK_BYTES * BLOCK_BYTES;
            let block = self.block(start, all, &fetch)?;
            let piece = block.slice((at - start) as usize..((end - start) as usize).min(block.len()));
            at += piece.len() as u64;
            if at >= end && out.is_empty() {
                return Ok(piece);
            }
            out.extend_from_slice(&piece);
        }
        Ok(out.freeze())
    }

    fn block(
        &self,
        start: u64,
        all: u64,
        fetch: impl Fn(u64, usize) -> Result<Bytes, ReadError>,
    ) -> Result<Bytes, ReadError> {
        // The blocks are whole wherever another thread stopped.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(known, _)| *known == start)
            && let Some(found) = kept.remove(place)
        {
            let block = found.1.clone();
            kept.push_back(found);
            return Ok(block);
        }
        let block = fetch(start, BLOCK_BYTES.min(all - start) as usize)?;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((start, block.clone()));
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn ranges_across_blocks_are_what_the_object_has_and_blocks_are_asked_for_once() {
        let all: Vec<u8> = (0..BLOCK_BYTES * 2 + 100).map(|at| (at % 251) as u8).collect();
        let asked = Cell::new(0);
        let fetch = |start: u64, bytes: usize| {
            asked.set(asked.get() + 1);
            Ok(Bytes::copy_from_slice(&all[start as usize..start as usize + bytes]))
        };
        let blocks = Blocks::default();
        for (offset, bytes) in [(0, 10), (BLOCK_BYTES - 5, 10), (BLOCK_BYTES * 2, 100), (3, BLOCK_BYTES * 2)]
        {
            let read = blocks.read(offset, bytes as usize, all.len() as u64, fetch).unwrap();
            assert_eq!(read, all[offset as usize..(offset + bytes) as usize]);
        }
        assert_eq!(asked.get(), 3);
    }
}
