use std::fmt;

use crate::rdd::{Picture, PictureMeta, PictureView, Record, Spare};

/// The shape of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureShape {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes in a pixel.
    pub channels: u32,
}

/// What each row of a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// The bytes of a picture.
    Picture(PictureShape),
    /// So many features.
    Features(u32),
}

impl RowKind {
    /// What a record would be as a row; none if it can't be one.
    pub fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Encoded { .. } => None,
            Record::Picture { picture: Picture { width, height, channels, .. }, .. } => {
                Some(Self::Picture(PictureShape { width: *width, height: *height, channels: *channels }))
            }
            Record::Features { values, .. } => u32::try_from(values.len()).ok().map(Self::Features),
        }
    }

    /// Bytes or values in a row; none if that overflows.
    pub(super) fn checked_len(self) -> Option<u64> {
        match self {
            Self::Picture(shape) => {
                let pixels = u64::from(shape.width).checked_mul(u64::from(shape.height))?;
                pixels.checked_mul(u64::from(shape.channels))
            }
            Self::Features(features) => Some(u64::from(features)),
        }
    }

    /// Bytes or values in a row of a block that is there.
    pub(super) fn len(self) -> usize {
        self.checked_len().unwrap_or(0) as usize
    }

    /// Bytes in a byte or value of a row.
    pub(super) fn unit(self) -> u64 {
        match self {
            Self::Picture(_) => 1,
            Self::Features(_) => size_of::<f32>() as u64,
        }
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Picture(shape) => write!(f, "{} x {} x {}", shape.width, shape.height, shape.channels),
            Self::Features(features) => write!(f, "{features} features"),
        }
    }
}

/// A row of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRow<'a> {
    /// What the row has.
    pub content: RowContent<'a>,
    /// The label of its picture.
    pub label: u32,
    /// The key of its picture.
    pub key: u64,
}

/// What a row of a block has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowContent<'a> {
    /// A picture.
    Picture(PictureView<'a>),
    /// Features.
    Features(&'a [f32]),
}

impl SampleRow<'_> {
    /// Copies the row into a record, whose memory is taken from `spare`.
    pub fn record(&self, spare: &mut Spare) -> Record {
        let meta = PictureMeta { key: self.key, label: self.label };
        match self.content {
            RowContent::Features(from) => Record::Features { meta, values: spare.copy_values(from) },
            RowContent::Picture(PictureView { width, height, channels, pixels: from }) => {
                let pixels = spare.copy_pixels(from);
                Record::Picture { meta, picture: Picture { width, height, channels, pixels } }
            }
        }
    }
}
