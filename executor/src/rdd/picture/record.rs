use bytes::Bytes;

/// What stays with a picture on its way through the operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureMeta {
    /// Its place in the job's listing: what augmentation is seeded by.
    pub key: u64,
    /// The label of its class.
    pub label: u32,
}

/// A decoded picture: rows from the top, pixels from the left, channels interleaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 for gray, 3 for red, green and blue.
    pub channels: u32,
    /// `width * height * channels` bytes.
    pub pixels: Vec<u8>,
}

/// A decoded picture that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureView<'a> {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 for gray, 3 for red, green and blue.
    pub channels: u32,
    /// `width * height * channels` bytes.
    pub pixels: &'a [u8],
}

impl Picture {
    /// The same picture, borrowed.
    pub fn view(&self) -> PictureView<'_> {
        let Self { width, height, channels, ref pixels } = *self;
        PictureView { width, height, channels, pixels }
    }
}

/// What flows through a chain of operators.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A picture file's content.
    Encoded {
        /// Whose.
        meta: PictureMeta,
        /// The file's bytes.
        bytes: Bytes,
    },
    /// A decoded picture.
    Picture {
        /// Whose.
        meta: PictureMeta,
        /// The pixels.
        picture: Picture,
    },
    /// What a network takes.
    Features {
        /// Whose.
        meta: PictureMeta,
        /// One value per input unit.
        values: Vec<f32>,
    },
}

impl Record {
    /// Names what kind of record it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Encoded { .. } => "an encoded picture",
            Self::Picture { .. } => "a decoded picture",
            Self::Features { .. } => "features",
        }
    }

    /// What stays with the picture.
    pub fn meta(&self) -> PictureMeta {
        match self {
            Self::Encoded { meta, .. } | Self::Picture { meta, .. } | Self::Features { meta, .. } => *meta,
        }
    }
}
