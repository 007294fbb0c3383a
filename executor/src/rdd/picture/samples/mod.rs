//! Blocks of prepared pictures.

mod cut;
mod row;
mod wire;

use super::{PictureView, Record};

pub use cut::Spread;
pub use row::{PictureShape, RowContent, RowKind, SampleRow};
pub use wire::SamplesHeader;

/// A block of prepared pictures: one contiguous buffer of bytes or of features, with labels and keys beside it. Each
/// picture has as many rows as it has views, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    kind: Option<RowKind>,
    views: u32,
    content: Content,
    labels: Vec<u32>,
    keys: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Bytes(Vec<u8>),
    Values(Vec<f32>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

/// Pictures that can't stand in one block, or bytes that are no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplesError {
    /// A picture is something else than the ones before it.
    #[error("{name} is {got}, the pictures before it are {expected}: the pipeline needs a `resize`")]
    Shape {
        /// The picture.
        name: String,
        /// What the rows of the block are.
        expected: RowKind,
        /// What the picture is.
        got: RowKind,
    },
    /// A picture has another number of views than the ones before it.
    #[error("a picture has {got} views, the pictures before it have {expected}")]
    Views {
        /// Views of the block.
        expected: u32,
        /// Views of the picture.
        got: usize,
    },
    /// Files can't be kept in a block of samples.
    #[error("{name} was not decoded: the pipeline needs a `decode`")]
    Encoded {
        /// The picture.
        name: String,
    },
    /// The lengths don't fit together.
    #[error("{bytes} bytes are not those of the block that was announced")]
    Length {
        /// Bytes there.
        bytes: u64,
    },
}

impl Samples {
    /// Makes an empty block with room for so many pictures, once the first shows how large they are.
    pub fn with_capacity(pictures: usize) -> Self {
        Self { labels: Vec::with_capacity(pictures), keys: Vec::with_capacity(pictures), ..Self::default() }
    }

    /// Adds all views of a picture, which errors call `name`.
    ///
    /// # Errors
    /// [`SamplesError`] if they aren't what the rows of the block are, or not as many; the block stays as it was.
    pub fn push(&mut self, name: &str, views: &[Record]) -> Result<(), SamplesError> {
        let count = if self.is_empty() { views.len() } else { self.views as usize };
        let Some(first) = views.first().filter(|_| views.len() == count) else {
            return Err(SamplesError::Views { expected: self.views, got: views.len() });
        };
        let name = || name.to_owned();
        let kind = RowKind::of(first).ok_or_else(|| SamplesError::Encoded { name: name() })?;
        let expected = self.kind.unwrap_or(kind);
        for view in views {
            let got = RowKind::of(view).ok_or_else(|| SamplesError::Encoded { name: name() })?;
            if got != expected {
                return Err(SamplesError::Shape { name: name(), expected, got });
            }
        }
        if self.kind.is_none() {
            self.begin(kind, count);
        }
        for view in views {
            match (view, &mut self.content) {
                (Record::Picture { picture, .. }, Content::Bytes(bytes)) => {
                    bytes.extend_from_slice(&picture.pixels)
                }
                (Record::Features { values: row, .. }, Content::Values(values)) => {
                    values.extend_from_slice(row)
                }
                _ => {}
            }
        }
        self.labels.push(first.meta().label);
        self.keys.push(first.meta().key);
        Ok(())
    }

    fn begin(&mut self, kind: RowKind, views: usize) {
        self.kind = Some(kind);
        self.views = views as u32;
        let capacity = kind.len() * views * self.labels.capacity();
        self.content = match kind {
            RowKind::Picture(_) => Content::Bytes(Vec::with_capacity(capacity)),
            RowKind::Features(_) => Content::Values(Vec::with_capacity(capacity)),
        };
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// What the rows are; none if there is no picture.
    pub fn kind(&self) -> Option<RowKind> {
        self.kind
    }

    /// The views of each picture; 0 if there is no picture.
    pub fn views(&self) -> u32 {
        self.views
    }

    /// Memory that the block takes, in bytes.
    pub fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes.capacity(),
            Content::Values(values) => size_of::<f32>() * values.capacity(),
        };
        content + 4 * self.labels.capacity() + 8 * self.keys.capacity()
    }

    /// The labels, one per picture.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The key of a picture; none past the end.
    pub fn key(&self, picture: usize) -> Option<u64> {
        self.keys.get(picture).copied()
    }

    /// A view of a picture; none past the end.
    pub fn row(&self, picture: usize, view: u32) -> Option<SampleRow<'_>> {
        let kind = self.kind?;
        let (label, key) = (*self.labels.get(picture)?, self.key(picture)?);
        let row = (view < self.views).then_some(picture * self.views as usize + view as usize)?;
        let range = row * kind.len()..(row + 1) * kind.len();
        let content = match (kind, &self.content) {
            (RowKind::Picture(PictureShape { width, height, channels }), Content::Bytes(bytes)) => {
                RowContent::Picture(PictureView { width, height, channels, pixels: bytes.get(range)? })
            }
            (RowKind::Features(_), Content::Values(values)) => RowContent::Features(values.get(range)?),
            _ => return None,
        };
        Some(SampleRow { content, label, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::{Picture, PictureMeta, Spare};

    fn meta(key: u64) -> PictureMeta {
        PictureMeta { key, label: key as u32 % 2 }
    }

    fn picture(key: u64, width: u32, value: u8) -> Record {
        let picture = Picture { width, height: 2, channels: 1, pixels: vec![value; 2 * width as usize] };
        Record::Picture { meta: meta(key), picture }
    }

    fn features(key: u64, values: &[f32]) -> Record {
        Record::Features { meta: meta(key), values: values.to_vec() }
    }

    /// A block of pictures, and one of two views of features.
    fn blocks() -> [Samples; 2] {
        let mut blocks = [Samples::with_capacity(3), Samples::default()];
        for key in 0..3 {
            blocks[0].push("", &[picture(key, 5, key as u8)]).unwrap();
            let value = key as f32;
            blocks[1]
                .push("", &[features(key, &[value, 0.5]), features(key, &[-value, f32::MIN_POSITIVE])])
                .unwrap();
        }
        blocks
    }

    #[test]
    fn a_block_survives_the_wire() {
        for samples in blocks() {
            let (header, wire) = (samples.header(), samples.parts().concat());
            assert_eq!(header.bytes(), Some(wire.len() as u64));
            assert_eq!(Samples::from_wire(&header, &wire).unwrap(), samples);
            assert!(Samples::from_wire(&header, &wire[1..]).is_err());
            assert!(Samples::from_wire(&SamplesHeader { pictures: 2, ..header }, &wire).is_err());
            assert!(Samples::from_wire(&SamplesHeader { pictures: u64::MAX, ..header }, &wire).is_err());
        }
        let none = Samples::default();
        assert_eq!(Samples::from_wire(&none.header(), &none.parts().concat()).unwrap(), none);
    }

    #[test]
    fn a_row_is_found_by_its_picture_and_view() {
        let [pictures, features] = blocks();
        let row = pictures.row(2, 0).unwrap();
        assert_eq!((row.label, row.key), (0, 2));
        assert_eq!(row.record(&mut Spare::default()), picture(2, 5, 2));
        assert_eq!(features.row(2, 1).unwrap().content, RowContent::Features(&[-2.0, f32::MIN_POSITIVE]));
        for (block, picture, view) in [(&pictures, 3, 0), (&pictures, 0, 1), (&features, 2, 2)] {
            assert_eq!(block.row(picture, view), None);
        }
        assert_eq!((features.bytes() >= 2 * 2 * 3 * 4 + 3 * 12, Samples::default().bytes()), (true, 0));
    }

    #[test]
    fn a_picture_that_is_something_else_is_refused_by_name() {
        let mut samples = Samples::default();
        samples.push("0.jpg", &[picture(0, 5, 0)]).unwrap();
        let error = samples.push("7.jpg", &[picture(7, 6, 0)]).unwrap_err().to_string();
        assert!(error.contains("7.jpg is 6 x 2 x 1") && error.contains("5 x 2 x 1"), "{error}");
        let error = samples.push("8.jpg", &[features(8, &[1.0])]).unwrap_err().to_string();
        assert!(error.contains("8.jpg is 1 features"), "{error}");
        assert!(samples.push("9.jpg", &[picture(9, 5, 0), picture(9, 5, 0)]).is_err());
        assert!(samples.push("", &[]).is_err());
        let encoded = Record::Encoded { meta: meta(10), bytes: vec![1].into() };
        assert!(
            samples.push("10.jpg", &[encoded]).unwrap_err().to_string().contains("10.jpg was not decoded")
        );
        assert_eq!(samples.len(), 1);
    }
}
