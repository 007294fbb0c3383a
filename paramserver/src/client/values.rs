use std::{ops::Range, sync::Arc};

use bytes::Bytes;

/// A buffer of values that is sent without being copied; clones share it.
///
/// Made from an `Arc<Vec<f32>>`, of which the caller may keep one to get the buffer back for the next push.
#[derive(Debug, Clone)]
pub struct Values(Bytes);

struct Owner(Arc<Vec<f32>>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl From<Arc<Vec<f32>>> for Values {
    fn from(values: Arc<Vec<f32>>) -> Self {
        Self(Bytes::from_owner(Owner(values)))
    }
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        Arc::new(values).into()
    }
}

impl Values {
    /// Tells how many values there are.
    pub fn len(&self) -> u64 {
        (self.0.len() / size_of::<f32>()) as u64
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives a part of the values, or nothing if it isn't within them.
    pub fn part(&self, range: &Range<u64>) -> Option<Self> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let byte = |value: u64| value as usize * size_of::<f32>();
        Some(Self(self.0.slice(byte(range.start)..byte(range.end))))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_buffer_itself_and_it_comes_back() {
        let buffer = Arc::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0]);
        let values = Values::from(Arc::clone(&buffer));
        let part = values.part(&(1..5)).unwrap();
        assert_eq!(part.bytes().as_ptr(), buffer[1..].as_ptr().cast());
        assert_eq!((part.len(), part.bytes().len()), (4, 16));
        assert!(values.part(&(3..6)).is_none());
        drop((values, part));
        assert_eq!(Arc::try_unwrap(buffer).unwrap().len(), 5);
    }
}
