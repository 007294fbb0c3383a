use howdah_proto::pb;

use super::{Content, PictureShape, RowKind, Samples, SamplesError};

/// What a block is said to be before its bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplesHeader {
    /// The number of pictures.
    pub pictures: u64,
    /// The views of each.
    pub views: u32,
    /// What the rows are.
    pub kind: RowKind,
}

impl SamplesHeader {
    /// Bytes of the whole block as it travels; none if that overflows.
    pub fn bytes(&self) -> Option<u64> {
        let row = self.kind.checked_len()?.checked_mul(self.kind.unit())?;
        row.checked_mul(u64::from(self.views))?.checked_add(12)?.checked_mul(self.pictures)
    }
}

impl From<SamplesHeader> for pb::BlockHeader {
    fn from(header: SamplesHeader) -> Self {
        let SamplesHeader { pictures: rows, views, kind } = header;
        match kind {
            RowKind::Picture(PictureShape { width, height, channels }) => {
                Self { rows, width, height, channels, features: 0, views }
            }
            RowKind::Features(features) => Self { rows, features, views, ..Self::default() },
        }
    }
}

impl From<pb::BlockHeader> for SamplesHeader {
    fn from(header: pb::BlockHeader) -> Self {
        let pb::BlockHeader { rows: pictures, width, height, channels, features, views } = header;
        let kind = match features {
            0 => RowKind::Picture(PictureShape { width, height, channels }),
            features => RowKind::Features(features),
        };
        Self { pictures, views, kind }
    }
}

impl Samples {
    /// What is said of the block before it travels.
    pub fn header(&self) -> SamplesHeader {
        let none = RowKind::Picture(PictureShape { width: 0, height: 0, channels: 0 });
        SamplesHeader { pictures: self.len() as u64, views: self.views, kind: self.kind.unwrap_or(none) }
    }

    /// The three parts as they travel: rows, labels and keys, little-endian.
    pub fn parts(&self) -> [&[u8]; 3] {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::Values(values) => bytemuck::cast_slice(values),
        };
        [content, bytemuck::cast_slice(&self.labels), bytemuck::cast_slice(&self.keys)]
    }

    /// Puts a block together from the bytes that travelled, see [`Self::parts`].
    ///
    /// # Errors
    /// [`SamplesError::Length`] if the bytes are not exactly those of the block that was announced.
    pub fn from_wire(header: &SamplesHeader, bytes: &[u8]) -> Result<Self, SamplesError> {
        if header.bytes() != Some(bytes.len() as u64) {
            return Err(SamplesError::Length { bytes: bytes.len() as u64 });
        }
        if header.pictures == 0 {
            return Ok(Self::default());
        }
        // The bytes are there, so these fit.
        let pictures = header.pictures as usize;
        let (content, rest) = bytes.split_at(bytes.len() - 12 * pictures);
        let (labels, keys) = rest.split_at(4 * pictures);
        Ok(Self {
            kind: Some(header.kind),
            views: header.views,
            content: match header.kind {
                RowKind::Picture(_) => Content::Bytes(content.to_vec()),
                RowKind::Features(_) => Content::Values(bytemuck::pod_collect_to_vec(content)),
            },
            labels: bytemuck::pod_collect_to_vec(labels),
            keys: bytemuck::pod_collect_to_vec(keys),
        })
    }
}
