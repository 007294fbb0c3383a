use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::PushKind;
use crate::codec::{HALF_BYTES, Half, Residual};

/// What the next push carries, to be written: every value once.
///
/// Where that can be done part by part, values are encoded as they are written, while they are in the caches.
#[derive(Debug)]
pub struct Draft<'a>(pub(super) Room<'a>);

#[derive(Debug)]
pub(super) enum Room<'a> {
    Plain(&'a mut Vec<f32>),
    Encoded {
        half: Half,
        bytes: &'a mut [u8],
        /// What each shard's part loses, one after the other; nothing if that isn't noted.
        residuals: Vec<(Range<usize>, Residual<'a>)>,
    },
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
            Room::Encoded { bytes, .. } => bytes.len() / HALF_BYTES,
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
            Room::Encoded { half, bytes, residuals } => {
                let place = |range: Range<usize>| range.start * HALF_BYTES..range.end * HALF_BYTES;
                if residuals.is_empty() {
                    half.encode(values, None, &mut bytes[place(range)]);
                    return;
                }
                for (of, Residual { before, after }) in residuals {
                    let meet = range.start.max(of.start)..range.end.min(of.end);
                    if meet.is_empty() {
                        continue;
                    }
                    let there = meet.start - of.start..meet.end - of.start;
                    let residual = Residual { before: &before[there.clone()], after: &mut after[there] };
                    let values = &values[meet.start - start..meet.end - start];
                    half.encode(values, Some(residual), &mut bytes[place(meet)]);
                }
            }
        }
    }

    /// Writes all values; they may be exchanged for others.
    pub fn put_all(&mut self, values: &mut Vec<f32>) {
        match &mut self.0 {
            Room::Plain(plain) => std::mem::swap(*plain, values),
            Room::Encoded { .. } => self.put(0, values),
        }
    }

    /// Writes the same value everywhere.
    pub fn fill(&mut self, value: f32) {
        match &mut self.0 {
            Room::Plain(plain) => plain.fill(value),
            Room::Encoded { .. } => self.put(0, &vec![value; self.len()]),
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
        const SHARDS: [usize; 3] = [1000, 1, 5999];
        const LEN: usize = 7000;
        let values: Vec<f32> = (0..LEN).map(|place| (place as f32 * 0.37).sin()).collect();
        let before: Vec<f32> = (0..LEN).map(|place| (place as f32 * 0.11).cos() * 1e-3).collect();
        for (half, block) in
            [Half::Bf16, Half::F16].into_iter().flat_map(|half| [1, 7, 2048, LEN].map(|block| (half, block)))
        {
            for feeds_back in [false, true] {
                let (mut after, mut expected_after) = (vec![9.0; LEN], vec![9.0; LEN]);
                let mut expected = Vec::new();
                let residual = Residual { before: &before, after: &mut expected_after };
                codec::encode(half.encoding(), &values, Some(residual).filter(|_| feeds_back), &mut expected);
                let mut bytes = vec![0; expected.len()];
                let (mut residuals, mut rest, mut start) = (Vec::new(), &mut after[..], 0);
                for len in SHARDS.into_iter().filter(|_| feeds_back) {
                    let (part, others) = rest.split_at_mut(len);
                    let range = start..start + len;
                    residuals.push((range.clone(), Residual { before: &before[range], after: part }));
                    (rest, start) = (others, start + len);
                }
                let mut draft = Draft(Room::Encoded { half, bytes: &mut bytes, residuals });
                // In any order.
                for (number, values) in values.chunks(block).enumerate().rev() {
                    draft.put(number * block, values);
                }
                assert_eq!(bytes, expected, "{half:?} {block}");
                assert_eq!(after, expected_after, "{half:?} {block}");
            }
        }
    }
}
