use std::sync::Arc;

use bytes::Bytes;

use super::PushKind;
use crate::codec::{HALF_BYTES, Half};

/// What the next push carries, to be written: every value once.
///
/// Where that can be done part by part, values are encoded as they are written, while they are in the caches.
#[derive(Debug)]
pub struct Draft<'a>(pub(super) Room<'a>);

#[derive(Debug)]
pub(super) enum Room<'a> {
    Plain(&'a mut Vec<f32>),
    Encoded(Half, &'a mut [u8]),
}

impl<'a> Draft<'a> {
    /// Makes a draft that keeps values as they are.
    pub fn plain(values: &'a mut Vec<f32>) -> Self {
        Self(Room::Plain(values))
    }

    /// Tells how many values there are to be.
    pub fn len(&self) -> usize {
        match &self.0 {
            Room::Plain(values) => values.len(),
            Room::Encoded(_, bytes) => bytes.len() / HALF_BYTES,
        }
    }

    /// Tells whether there are to be none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the values from the place `start` on.
    pub fn put(&mut self, start: usize, values: &[f32]) {
        let range = start..start + values.len();
        match &mut self.0 {
            Room::Plain(plain) => plain[range].copy_from_slice(values),
            Room::Encoded(half, bytes) => {
                half.encode(values, None, &mut bytes[range.start * HALF_BYTES..range.end * HALF_BYTES]);
            }
        }
    }

    /// Writes all values; they may be exchanged for others.
    pub fn put_all(&mut self, values: &mut Vec<f32>) {
        match &mut self.0 {
            Room::Plain(plain) => std::mem::swap(*plain, values),
            Room::Encoded(..) => self.put(0, values),
        }
    }

    /// Writes the same value everywhere.
    pub fn fill(&mut self, value: f32) {
        match &mut self.0 {
            Room::Plain(plain) => plain.fill(value),
            Room::Encoded(..) => self.put(0, &vec![value; self.len()]),
        }
    }
}

/// The memory of drafts, and what the last one is.
#[derive(Debug)]
pub(super) struct Drafted {
    pub(super) kind: PushKind,
    /// How it is encoded already.
    pub(super) half: Option<Half>,
    pub(super) values: Vec<f32>,
    pub(super) bytes: Vec<u8>,
}

impl Drafted {
    pub(super) fn new() -> Self {
        Self { kind: PushKind::Stream, half: None, values: Vec::new(), bytes: Vec::new() }
    }
}

/// Bytes that are sent without being copied, and come back.
pub(super) struct Shared(pub(super) Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Shared {
    pub(super) fn bytes(bytes: &Arc<Vec<u8>>) -> Bytes {
        Bytes::from_owner(Self(Arc::clone(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn values_encoded_as_they_are_written_are_those_encoded_at_once() {
        const LEN: usize = 7000;
        let values: Vec<f32> = (0..LEN).map(|place| (place as f32 * 0.37).sin()).collect();
        for (half, block) in
            [Half::Bf16, Half::F16].into_iter().flat_map(|half| [1, 7, 2048, LEN].map(|block| (half, block)))
        {
            let mut expected = Vec::new();
            codec::encode(half.encoding(), &values, None, &mut expected);
            let mut bytes = vec![0; expected.len()];
            let mut draft = Draft(Room::Encoded(half, &mut bytes));
            // In any order.
            for (number, values) in values.chunks(block).enumerate().rev() {
                draft.put(number * block, values);
            }
            assert_eq!(bytes, expected, "{half:?} {block}");
        }
    }
}
