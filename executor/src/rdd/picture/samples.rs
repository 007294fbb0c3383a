use super::{Picture, PictureMeta, Record};

/// The shape that all pictures of a block share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureShape {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes in a pixel.
    pub channels: u32,
}

impl PictureShape {
    /// Bytes in a picture.
    pub fn bytes(&self) -> usize {
        self.width as usize * self.height as usize * self.channels as usize
    }
}

/// The name of a picture that comes from a block: names stay behind when pictures are prepared.
const NAMELESS: &str = "";

/// A block of prepared pictures: one contiguous buffer of bytes, with labels and keys beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Samples {
    shape: Option<PictureShape>,
    pixels: Vec<u8>,
    labels: Vec<u32>,
    keys: Vec<u64>,
}

/// Pictures that can't stand in one block, or bytes that are no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplesError {
    /// A picture has another shape than the ones before it.
    #[error(
        "{name} is {} x {} x {}, the pictures before it are {} x {} x {}: the pipeline needs a `resize`",
        got.width, got.height, got.channels, expected.width, expected.height, expected.channels
    )]
    Shape {
        /// The picture.
        name: String,
        /// The shape of the block.
        expected: PictureShape,
        /// The shape of the picture.
        got: PictureShape,
    },
    /// The lengths don't fit together.
    #[error("{rows} rows of {row_bytes} bytes don't fit {bytes} bytes")]
    Length {
        /// Rows announced.
        rows: u64,
        /// Bytes in a row.
        row_bytes: u64,
        /// Bytes there.
        bytes: u64,
    },
}

impl Samples {
    /// Makes an empty block with room for `rows` pictures, once the first shows how large they are.
    pub fn with_capacity(rows: usize) -> Self {
        Self { labels: Vec::with_capacity(rows), keys: Vec::with_capacity(rows), ..Self::default() }
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// [`SamplesError::Shape`] if it doesn't have the shape of the block.
    pub fn push(&mut self, meta: &PictureMeta, picture: &Picture) -> Result<(), SamplesError> {
        let got = PictureShape { width: picture.width, height: picture.height, channels: picture.channels };
        match self.shape {
            None => {
                self.shape = Some(got);
                self.pixels.reserve_exact(got.bytes() * self.labels.capacity());
            }
            Some(expected) if expected != got => {
                return Err(SamplesError::Shape { name: meta.name.to_string(), expected, got });
            }
            Some(_) => {}
        }
        self.pixels.extend_from_slice(&picture.pixels);
        self.labels.push(meta.label);
        self.keys.push(meta.key);
        Ok(())
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The shape of the pictures; none if there is no picture.
    pub fn shape(&self) -> Option<PictureShape> {
        self.shape
    }

    /// Memory that the block takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.pixels.capacity() + 4 * self.labels.capacity() + 8 * self.keys.capacity()
    }

    /// The labels, one per picture.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The pixels of picture `row`, its label and its key; none past the end.
    pub fn row(&self, row: usize) -> Option<(&[u8], u32, u64)> {
        let size = self.shape?.bytes();
        let pixels = self.pixels.get(row * size..(row + 1) * size)?;
        Some((pixels, *self.labels.get(row)?, *self.keys.get(row)?))
    }

    /// Makes a record of a row of this block, see [`Self::row`].
    pub fn record(&self, pixels: &[u8], label: u32, key: u64) -> Record {
        let (width, height, channels) =
            self.shape.map_or((0, 0, 0), |shape| (shape.width, shape.height, shape.channels));
        let meta = PictureMeta { key, label, name: NAMELESS.into() };
        Record::Picture { meta, picture: Picture { width, height, channels, pixels: pixels.to_vec() } }
    }

    /// The three parts as they travel: pixels, labels and keys, little-endian.
    pub fn parts(&self) -> [&[u8]; 3] {
        [&self.pixels, bytemuck::cast_slice(&self.labels), bytemuck::cast_slice(&self.keys)]
    }

    /// Bytes of a block of `rows` pictures as it travels; none if that overflows.
    pub fn wire_bytes(shape: PictureShape, rows: u64) -> Option<u64> {
        let row = u64::from(shape.width)
            .checked_mul(u64::from(shape.height))?
            .checked_mul(u64::from(shape.channels))?
            .checked_add(12)?;
        row.checked_mul(rows)
    }

    /// Puts a block together from the bytes that travelled, see [`Self::parts`].
    ///
    /// # Errors
    /// [`SamplesError::Length`] if the bytes are not exactly those of `rows` pictures.
    pub fn from_wire(shape: PictureShape, rows: u64, bytes: &[u8]) -> Result<Self, SamplesError> {
        let expected = Self::wire_bytes(shape, rows);
        if expected != Some(bytes.len() as u64) {
            return Err(SamplesError::Length {
                rows,
                row_bytes: shape.bytes() as u64 + 12,
                bytes: bytes.len() as u64,
            });
        }
        let rows = rows as usize;
        let (pixels, rest) = bytes.split_at(rows * shape.bytes());
        let (labels, keys) = rest.split_at(4 * rows);
        Ok(Self {
            shape: (rows > 0).then_some(shape),
            pixels: pixels.to_vec(),
            labels: bytemuck::pod_collect_to_vec(labels),
            keys: bytemuck::pod_collect_to_vec(keys),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(key: u64) -> PictureMeta {
        PictureMeta { key, label: key as u32 % 2, name: format!("{key}.jpg").into() }
    }

    fn picture(width: u32, value: u8) -> Picture {
        Picture { width, height: 2, channels: 1, pixels: vec![value; 2 * width as usize] }
    }

    #[test]
    fn a_block_survives_the_wire() {
        let mut samples = Samples::with_capacity(3);
        for key in 0..3 {
            samples.push(&meta(key), &picture(5, key as u8)).unwrap();
        }
        let wire = samples.parts().concat();
        let shape = samples.shape().unwrap();
        assert_eq!(Samples::wire_bytes(shape, 3), Some(wire.len() as u64));
        assert_eq!(Samples::from_wire(shape, 3, &wire).unwrap(), samples);
        assert!(Samples::from_wire(shape, 2, &wire).is_err());
        assert!(Samples::from_wire(shape, u64::MAX, &wire).is_err());
        assert_eq!(samples.row(2), Some((&[2u8; 10][..], 0, 2)));
        assert_eq!(samples.row(3), None);
    }

    #[test]
    fn a_picture_of_another_shape_is_refused_by_name() {
        let mut samples = Samples::default();
        samples.push(&meta(0), &picture(5, 0)).unwrap();
        let error = samples.push(&meta(7), &picture(6, 0)).unwrap_err().to_string();
        assert!(error.contains("7.jpg is 6 x 2 x 1") && error.contains("5 x 2 x 1"), "{error}");
    }
}
