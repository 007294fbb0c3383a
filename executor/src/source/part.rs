use std::sync::Arc;

use howdah_proto::pb::{self, picture_part::Place as Wire};

use super::{MAX_FILE_BYTES, object::ObjectRef};

/// Where the bytes of a picture are that isn't a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file or object that has it.
    pub object: Arc<ObjectRef>,
    /// Where in it.
    pub place: Place,
}

/// Where in a file or object a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is all of it.
    Whole,
    /// A range of bytes, encoded as picture files are.
    Range {
        /// Where it begins, in bytes.
        offset: u64,
        /// How many bytes it has.
        bytes: u64,
    },
    /// Pixels without an encoding, a byte for each value.
    Pixels {
        /// Where they begin, in bytes; in what is unpacked, if the file is packed with gzip.
        offset: u64,
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// How colours are stored.
        colour: Colour,
    },
    /// A value in a column of a Parquet file, encoded as picture files are.
    Value {
        /// The row group.
        group: u32,
        /// The row in the group.
        row: u64,
        /// The column's place among the leaves of the schema.
        column: u32,
    },
}

/// How the colours of raw pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One value for each pixel.
    Gray,
    /// All red values, then all green ones, then all blue ones.
    Planes,
}

impl Colour {
    /// How many values a pixel has.
    pub fn values(self) -> u64 {
        match self {
            Self::Gray => 1,
            Self::Planes => 3,
        }
    }
}

impl From<&Part> for pb::PicturePart {
    fn from(part: &Part) -> Self {
        let place = match part.place {
            Place::Whole => Wire::Whole(pb::WholeObject {}),
            Place::Range { offset, bytes } => Wire::Range(pb::ByteRange { offset, bytes }),
            Place::Pixels { offset, width, height, colour } => {
                Wire::Pixels(pb::RawPixels { offset, width, height, planes: colour == Colour::Planes })
            }
            Place::Value { group, row, column } => {
                Wire::Value(pb::ParquetValue { row_group: group, row, column })
            }
        };
        Self {
            object: part.object.location.clone(),
            object_bytes: part.object.bytes,
            object_modified_unix_ns: part.object.modified_unix_ns,
            etag: part.object.etag.clone().unwrap_or_default(),
            place: Some(place),
        }
    }
}

impl TryFrom<&pb::PicturePart> for Part {
    type Error = String;

    fn try_from(wire: &pb::PicturePart) -> Result<Self, String> {
        let place = match wire.place.as_ref().ok_or("it is at a kind of place that is not known here")? {
            Wire::Whole(_) => Place::Whole,
            Wire::Range(range) => Place::Range { offset: range.offset, bytes: range.bytes },
            Wire::Pixels(pixels) => Place::Pixels {
                offset: pixels.offset,
                width: pixels.width,
                height: pixels.height,
                colour: if pixels.planes { Colour::Planes } else { Colour::Gray },
            },
            Wire::Value(value) => {
                Place::Value { group: value.row_group, row: value.row, column: value.column }
            }
        };
        let object = ObjectRef {
            location: wire.object.clone(),
            bytes: wire.object_bytes,
            modified_unix_ns: wire.object_modified_unix_ns,
            etag: Some(wire.etag.clone()).filter(|etag| !etag.is_empty()),
        };
        let part = Self { object: Arc::new(object), place };
        part.check()?;
        Ok(part)
    }
}

impl Part {
    /// Checks that it lies in its object and isn't larger than a picture may be.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let known = self.object.bytes;
        let (offset, bytes) = match self.place {
            Place::Whole => (0, known),
            Place::Range { offset, bytes } => (offset, bytes),
            Place::Pixels { offset, width, height, colour } => {
                let bytes = u64::from(width) * u64::from(height);
                (offset, bytes.saturating_mul(colour.values()))
            }
            Place::Value { .. } => return Ok(()),
        };
        if bytes > MAX_FILE_BYTES {
            return Err(format!("{bytes} bytes are more than a picture may have"));
        }
        let packed = matches!(self.place, Place::Pixels { .. }) && self.object.is_packed();
        match offset.checked_add(bytes) {
            Some(end) if packed || end <= known => Ok(()),
            _ => Err(format!("it would end after the {known} bytes of {}", self.object.location)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(place: Place) -> Part {
        let object = ObjectRef {
            location: "/data/a.tar".to_owned(),
            bytes: 1000,
            modified_unix_ns: 7,
            etag: Some("x".to_owned()),
        };
        Part { object: Arc::new(object), place }
    }

    #[test]
    fn a_part_goes_over_the_wire() {
        let pixels = Place::Pixels { offset: 16, width: 2, height: 3, colour: Colour::Planes };
        for place in [
            Place::Whole,
            Place::Range { offset: 512, bytes: 488 },
            pixels,
            Place::Value { group: 1, row: 2, column: 3 },
        ] {
            let part = part(place);
            assert_eq!(Part::try_from(&pb::PicturePart::from(&part)), Ok(part));
        }
    }

    #[test]
    fn a_part_beyond_its_object_or_of_an_absurd_size_is_refused() {
        let huge = Place::Pixels { offset: 0, width: u32::MAX, height: u32::MAX, colour: Colour::Planes };
        for place in [
            Place::Range { offset: 512, bytes: 489 },
            Place::Range { offset: u64::MAX, bytes: 1 },
            Place::Range { offset: 0, bytes: u64::MAX },
            huge,
        ] {
            assert!(Part::try_from(&pb::PicturePart::from(&part(place))).is_err(), "{place:?}");
        }
        assert!(Part::try_from(&pb::PicturePart::default()).is_err());
    }
}
