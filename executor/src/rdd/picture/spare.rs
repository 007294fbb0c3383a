use super::{Picture, Record};

/// Memory of each kind that is kept at most, in bytes; what is more is given back to the allocator.
const MOST_BYTES: usize = 64 << 20;
/// Buffers of each kind that are kept at most.
const MOST_BUFFERS: usize = 64;

/// Memory of records that are not needed any more, for those that come: with it, nothing is allocated for a picture on its
/// way through a chain.
#[derive(Debug, Clone, Default)]
pub struct Spare {
    pixels: Shelf<u8>,
    values: Shelf<f32>,
}

impl Spare {
    /// An empty buffer for pixels, if possible with room for `len` bytes.
    pub fn pixels(&mut self, len: usize) -> Vec<u8> {
        self.pixels.take(len)
    }

    /// An empty buffer for features, if possible with room for `len` values.
    pub fn values(&mut self, len: usize) -> Vec<f32> {
        self.values.take(len)
    }

    /// Copies pixels.
    pub fn copy_pixels(&mut self, from: &[u8]) -> Vec<u8> {
        self.pixels.copy(from)
    }

    /// Copies features.
    pub fn copy_values(&mut self, from: &[f32]) -> Vec<f32> {
        self.values.copy(from)
    }

    /// Keeps the memory of pixels.
    pub fn keep_pixels(&mut self, pixels: Vec<u8>) {
        self.pixels.keep(pixels);
    }

    /// Keeps the memory of a record.
    pub fn keep(&mut self, record: Record) {
        match record {
            Record::Encoded { .. } => {}
            Record::Picture { picture, .. } => self.pixels.keep(picture.pixels),
            Record::Features { values, .. } => self.values.keep(values),
        }
    }

    /// Copies a record.
    pub fn copy(&mut self, record: &Record) -> Record {
        match record {
            Record::Encoded { meta, bytes } => Record::Encoded { meta: *meta, bytes: bytes.clone() },
            Record::Picture { meta, picture } => {
                let pixels = self.copy_pixels(&picture.pixels);
                Record::Picture { meta: *meta, picture: Picture { pixels, ..*picture } }
            }
            Record::Features { meta, values } => {
                Record::Features { meta: *meta, values: self.copy_values(values) }
            }
        }
    }
}

/// Buffers that are not needed any more.
#[derive(Debug, Clone)]
struct Shelf<T> {
    buffers: Vec<Vec<T>>,
    bytes: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { buffers: Vec::new(), bytes: 0 }
    }
}

impl<T: Copy> Shelf<T> {
    /// The smallest buffer that has room for `len`, else the largest: pictures of several sizes go about here, and what is
    /// large must not be wasted on what is small.
    fn take(&mut self, len: usize) -> Vec<T> {
        let rank = |buffer: &Vec<T>| {
            let capacity = buffer.capacity();
            if capacity < len { (1, usize::MAX - capacity) } else { (0, capacity) }
        };
        let best = self.buffers.iter().enumerate().min_by_key(|(_, buffer)| rank(buffer));
        let Some((place, _)) = best else { return Vec::new() };
        let mut buffer = self.buffers.swap_remove(place);
        self.bytes -= size_of::<T>() * buffer.capacity();
        buffer.clear();
        buffer
    }

    fn keep(&mut self, buffer: Vec<T>) {
        let bytes = size_of::<T>() * buffer.capacity();
        if bytes > 0 && self.bytes + bytes <= MOST_BYTES && self.buffers.len() < MOST_BUFFERS {
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }

    fn copy(&mut self, from: &[T]) -> Vec<T> {
        let mut buffer = self.take(from.len());
        buffer.extend_from_slice(from);
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing;

    #[test]
    fn the_smallest_buffer_with_room_is_taken_and_else_the_largest() {
        let mut shelf = Shelf::<u8>::default();
        for capacity in [10, 1_000, 100] {
            shelf.keep(Vec::with_capacity(capacity));
        }
        let capacities = [50, 2_000, 1, 1].map(|len| shelf.take(len).capacity());
        assert_eq!((capacities, shelf.bytes), ([100, 1_000, 10, 0], 0));
    }

    #[test]
    fn a_record_is_copied_into_memory_that_was_kept() {
        let record = |key: u8| {
            let picture = testing::gray(3, 2, |x, y| (50 * x + 20 * y) as u8 + key);
            Record::Picture { meta: testing::meta(key.into()), picture }
        };
        let values = |value| Record::Features { meta: testing::meta(1), values: vec![value; 4] };
        let mut spare = Spare::default();
        spare.keep(record(1));
        spare.keep(values(1.0));
        assert_eq!([spare.copy(&record(2)), spare.copy(&values(2.0))], [record(2), values(2.0)]);
        assert_eq!((spare.pixels.buffers.len(), spare.values.buffers.len()), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut spare = Spare::default();
        (0..5).for_each(|_| spare.keep_pixels(Vec::with_capacity(MOST_BYTES / 3)));
        assert!(spare.pixels.bytes <= MOST_BYTES && spare.pixels.buffers.len() == 3);
        let mut spare = Spare::default();
        (0..2 * MOST_BUFFERS).for_each(|_| spare.keep_pixels(vec![1]));
        assert_eq!(spare.pixels.buffers.len(), MOST_BUFFERS);
    }
}
