use std::{borrow::Cow, ops::Range};

use super::half::{HALF_BYTES, Half};

/// Values that are decoded at a time: they stay in the nearest cache.
pub const BLOCK_VALUES: usize = 2048;

/// Values to be read, as they are or encoded.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// As they are.
    Plain(&'a [f32]),
    /// Encoded.
    Half(Half, &'a [u8]),
}

impl<'a> Source<'a> {
    /// Tells how many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(values) => values.len(),
            Self::Half(_, bytes) => bytes.len() / HALF_BYTES,
        }
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a range that lies within them.
    pub fn part(self, range: Range<usize>) -> Self {
        match self {
            Self::Plain(values) => Self::Plain(&values[range]),
            Self::Half(half, bytes) => {
                Self::Half(half, &bytes[range.start * HALF_BYTES..range.end * HALF_BYTES])
            }
        }
    }

    /// Copies the values, of which there are as many.
    pub fn copy_to(self, values: &mut [f32]) {
        match self {
            Self::Plain(plain) => values.copy_from_slice(plain),
            Self::Half(half, bytes) => half.decode(bytes, values),
        }
    }

    /// Gives the values: those that are there if they are plain, else what is decoded into `room`, which has room for them.
    pub fn read<'b>(self, room: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        match self {
            Self::Plain(values) => values,
            Self::Half(half, bytes) => {
                let room = &mut room[..bytes.len() / HALF_BYTES];
                half.decode(bytes, room);
                room
            }
        }
    }

    /// Gives all values at once.
    pub fn to_values(self) -> Cow<'a, [f32]> {
        match self {
            Self::Plain(values) => Cow::Borrowed(values),
            Self::Half(..) => {
                let mut values = vec![0.0; self.len()];
                self.copy_to(&mut values);
                Cow::Owned(values)
            }
        }
    }

    /// Gives the values and their places to `take`, in order: at once if they are plain, else block by block.
    pub fn each_block(self, mut take: impl FnMut(Range<usize>, &[f32])) {
        match self {
            Self::Plain(values) => take(0..values.len(), values),
            Self::Half(..) => {
                let mut room = [0.0; BLOCK_VALUES];
                for range in blocks(0..self.len()) {
                    take(range.clone(), self.part(range).read(&mut room));
                }
            }
        }
    }
}

/// Cuts a range into blocks.
pub fn blocks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(BLOCK_VALUES).map(move |start| start..end.min(start + BLOCK_VALUES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn values_are_the_same_bits_in_blocks_as_decoded_at_once() {
        for (half, count) in [Half::Bf16, Half::F16].into_iter().flat_map(|half| {
            [1, BLOCK_VALUES - 1, BLOCK_VALUES, BLOCK_VALUES + 1, 3 * BLOCK_VALUES + 77]
                .map(|count| (half, count))
        }) {
            let values: Vec<f32> = (0..count).map(|place| (place as f32 * 0.37).sin()).collect();
            let (mut bytes, mut whole) = (Vec::new(), vec![f32::NAN; count]);
            codec::encode(half.encoding(), &values, None, &mut bytes);
            codec::decode(half.encoding(), &bytes, &mut whole).unwrap();
            for source in [Source::Half(half, &bytes), Source::Plain(&whole)] {
                let (mut seen, mut copy) = (vec![f32::NAN; count], vec![f32::NAN; count]);
                source.each_block(|range, block| seen[range].copy_from_slice(block));
                source.copy_to(&mut copy);
                assert_eq!((&seen, &copy, source.len()), (&whole, &whole, count));
                assert_eq!(source.to_values(), whole);
                let mut room = [0.0; BLOCK_VALUES];
                assert_eq!(source.part(count / 2..count).read(&mut vec![0.0; count]), &whole[count / 2..]);
                assert_eq!(source.part(0..1).read(&mut room), &whole[..1]);
            }
        }
    }
}
