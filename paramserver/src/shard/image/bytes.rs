use std::ops::Range;

use super::{super::ShardError, Array, Image, ImageHeader};
use crate::rules::{self, OutOfMemory, Weights};

const MAGIC: &[u8; 8] = b"HOWDAHSH";
const FORMAT: u32 = 1;
/// Magic, format, and the length of the header.
const PREFIX_BYTES: usize = 8 + 4 + 8;
const CHECKSUM_BYTES: usize = 4;
/// How much is handed on at a time.
const PIECE_BYTES: usize = 1 << 20;

// The bytes: MAGIC, FORMAT as u32, the header's length as u64, the header as JSON, the arrays, and the CRC-32 of all
// before it; numbers are little-endian. The CRC finds torn and damaged files; that a snapshot's file is the right one
// is told by the SHA-256 in its manifest.
impl Image {
    /// The number of bytes that [`Self::write`] gives.
    pub fn bytes(&self) -> u64 {
        let arrays: u64 = self.arrays.iter().map(|array| (array.len() * size_of::<f32>()) as u64).sum();
        (PREFIX_BYTES + self.header_json().len() + CHECKSUM_BYTES) as u64 + arrays
    }

    /// Gives the image as bytes, in pieces that are handed to `sink`; the last one is a checksum of all before it.
    pub fn write(&self, sink: &mut dyn FnMut(&[u8])) {
        let header = self.header_json();
        let mut checksum = crc32fast::Hasher::new();
        let mut give = |bytes: &[u8]| {
            checksum.update(bytes);
            sink(bytes);
        };
        give(MAGIC);
        give(&FORMAT.to_le_bytes());
        give(&(header.len() as u64).to_le_bytes());
        header.chunks(PIECE_BYTES).for_each(&mut give);
        for array in &self.arrays {
            array.each(|_, values| {
                bytemuck::cast_slice::<f32, u8>(values).chunks(PIECE_BYTES).for_each(&mut give);
            });
        }
        sink(&checksum.finalize().to_le_bytes());
    }

    /// Reads an image from its bytes. Weights that aren't finite are read: an image is what the shard was, and it is
    /// the shard that refuses pushes that aren't.
    ///
    /// # Errors
    /// [`ShardError::Image`] if they are not whole, or not of an image, and [`ShardError::OutOfMemory`].
    pub fn read(bytes: &[u8]) -> Result<Self, ShardError> {
        let (body, checksum) =
            bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(|| bad("it is too short"))?;
        let rest = body.strip_prefix(MAGIC).ok_or_else(|| bad("it doesn't begin like one"))?;
        let (format, rest) = rest.split_first_chunk().ok_or_else(|| bad("it is too short"))?;
        let format = u32::from_le_bytes(*format);
        if format != FORMAT {
            return Err(bad(format!("it has the format {format}, and this program reads {FORMAT}")));
        }
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(bad("it is damaged or not whole: its checksum is another"));
        }
        let (len, rest) = rest.split_first_chunk().ok_or_else(|| bad("it is too short"))?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| bad("its header is too long"))?;
        let (header, values) = rest.split_at_checked(len).ok_or_else(|| bad("its header is cut off"))?;
        let header: ImageHeader =
            serde_json::from_slice(header).map_err(|error| bad(format!("its header: {error}")))?;
        let arrays = header.check()?;
        let array_bytes = header.len * size_of::<f32>() as u64;
        if arrays.checked_mul(array_bytes) != Some(values.len() as u64) {
            let given = values.len();
            return Err(bad(format!("{given} bytes are not {arrays} arrays of {} values", header.len)));
        }
        let (len, before) = (header.len as usize, header.place_of_before());
        let arrays = values.chunks_exact(array_bytes as usize).enumerate().map(|(place, bytes)| {
            let values = |range: Range<usize>| {
                let mut values = rules::zeros(range.len())?;
                let bytes = &bytes[range.start * size_of::<f32>()..range.end * size_of::<f32>()];
                bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
                Ok(values)
            };
            if place == 0 || Some(place) == before {
                return Weights::of_pieces(len, values).map(Array::Pieces);
            }
            values(0..len).map(Array::Whole)
        });
        let arrays = arrays.collect::<Result<_, OutOfMemory>>()?;
        Ok(Self { header, arrays })
    }

    fn header_json(&self) -> Vec<u8> {
        // Plain numbers, lists and names always become JSON; an empty header would be refused when it is read.
        serde_json::to_vec(&self.header).unwrap_or_default()
    }
}

pub(super) fn bad(reason: impl Into<String>) -> ShardError {
    ShardError::Image { reason: reason.into() }
}
