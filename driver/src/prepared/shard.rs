use howdah_executor::{
    prepared::ShardInfo,
    rdd::{PictureShape, RowKind, SamplesHeader},
    source::MAX_FILE_BYTES,
};
use serde::{Deserialize, Serialize};

/// How the names of shards end.
pub const SAMPLES: &str = ".samples";

/// A shard: a file in the folder of the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Its name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its CRC-32, as eight hexadecimal digits.
    pub crc32: String,
    /// The partition that it was written for.
    pub partition: u32,
    /// How many pictures it has of each class.
    pub classes: Vec<u64>,
    /// The number of its first picture.
    pub first: u64,
    /// The number of its last picture.
    pub last: u64,
    /// How many views of each picture it has.
    pub views: u32,
    /// What a row is.
    pub row: RowEntry,
}

/// What a row of a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RowEntry {
    /// The bytes of a picture: its width, height and channels.
    Picture([u32; 3]),
    /// So many little-endian f32.
    Features(u32),
}

impl From<RowKind> for RowEntry {
    fn from(kind: RowKind) -> Self {
        match kind {
            RowKind::Picture(PictureShape { width, height, channels }) => {
                Self::Picture([width, height, channels])
            }
            RowKind::Features(features) => Self::Features(features),
        }
    }
}

impl ShardEntry {
    /// Describes a shard.
    pub fn new(file: String, partition: u32, classes: Vec<u64>, info: &ShardInfo) -> Self {
        Self {
            file,
            bytes: info.bytes().unwrap_or(0),
            crc32: format!("{:08x}", info.checksum),
            partition,
            classes,
            first: *info.keys.start(),
            last: *info.keys.end(),
            views: info.header.views,
            row: info.header.kind.into(),
        }
    }

    /// How many pictures it has.
    pub fn pictures(&self) -> u64 {
        self.classes.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What executors are told of it; none if its checksum is none.
    pub fn info(&self) -> Option<ShardInfo> {
        let kind = match self.row {
            RowEntry::Picture([width, height, channels]) => {
                RowKind::Picture(PictureShape { width, height, channels })
            }
            RowEntry::Features(features) => RowKind::Features(features),
        };
        let digits = self.crc32.len() == 8 && self.crc32.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(ShardInfo {
            header: SamplesHeader { pictures: self.pictures(), views: self.views, kind },
            keys: self.first..=self.last,
            checksum: u32::from_str_radix(&self.crc32, 16).ok().filter(|_| digits)?,
        })
    }

    pub(super) fn check(&self, classes: usize) -> Result<(), String> {
        let Self { file, bytes, .. } = self;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if file.starts_with('.') || !file.ends_with(SAMPLES) || !file.bytes().all(plain) {
            return Err(format!("`{file}` is no name of a shard"));
        }
        let info = self.info().ok_or_else(|| format!("the checksum of {file} is none"))?;
        if self.classes.len() != classes {
            return Err(format!(
                "{file} has pictures of {} classes instead of {classes}",
                self.classes.len()
            ));
        }
        let room = self.last.checked_sub(self.first).map(|room| room.saturating_add(1));
        if info.header.pictures == 0 || room.is_none_or(|room| room < info.header.pictures) || self.views == 0
        {
            return Err(format!("{file} can't have the pictures that it is said to have"));
        }
        if info.bytes() != Some(*bytes) || *bytes > MAX_FILE_BYTES {
            return Err(format!("{file} can't have {bytes} bytes"));
        }
        Ok(())
    }
}
