use std::ops::{Range, RangeInclusive};

use bytes::{BufMut, Bytes, BytesMut};
use howdah_proto::{WireError, pb, required};

use super::ShardError;
use crate::{
    rdd::{Samples, SamplesHeader},
    source::MAX_FILE_BYTES,
};

/// The bytes before the rows of a shard; a multiple of what CPUs like rows to begin at.
pub const HEADER_BYTES: u64 = 64;
/// What a shard begins with; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"HOWDAHS1";

/// Which prepared set a shard is of: a hash of all that decides what is in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub [u8; 16]);

impl TryFrom<&[u8]> for SetId {
    type Error = WireError;

    fn try_from(bytes: &[u8]) -> Result<Self, WireError> {
        bytes.try_into().map(Self).map_err(|_| WireError::invalid("set", "an id has 16 bytes"))
    }
}

/// What a shard has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardInfo {
    /// What its rows are.
    pub header: SamplesHeader,
    /// The keys of its first and its last picture.
    pub keys: RangeInclusive<u64>,
    /// CRC-32 of the whole file.
    pub checksum: u32,
}

impl ShardInfo {
    /// The bytes of the whole file; none if that overflows.
    pub fn bytes(&self) -> Option<u64> {
        self.header.bytes()?.checked_add(HEADER_BYTES)
    }
}

impl From<&ShardInfo> for pb::PreparedShard {
    fn from(info: &ShardInfo) -> Self {
        Self {
            header: Some(info.header.into()),
            first_key: *info.keys.start(),
            last_key: *info.keys.end(),
            checksum: info.checksum,
        }
    }
}

impl TryFrom<pb::PreparedShard> for ShardInfo {
    type Error = WireError;

    fn try_from(shard: pb::PreparedShard) -> Result<Self, WireError> {
        let header = SamplesHeader::from(required(shard.header, "shard.header")?);
        let info = Self { header, keys: shard.first_key..=shard.last_key, checksum: shard.checksum };
        // No two pictures have the same key.
        let room = shard
            .last_key
            .checked_sub(shard.first_key)
            .is_some_and(|room| room >= header.pictures.saturating_sub(1));
        if header.pictures == 0 || !room || info.bytes().is_none_or(|bytes| bytes > MAX_FILE_BYTES) {
            return Err(WireError::invalid("shard", format!("{info:?} can't be")));
        }
        Ok(info)
    }
}

/// Makes the file of some of the pictures of a block: the magic, the set, what the rows are as little-endian numbers,
/// zeros up to [`HEADER_BYTES`], then rows, labels and keys as they travel.
///
/// Gives what is to be known of it, too; none if there is no picture.
pub fn encode(set: SetId, samples: &Samples, pictures: &Range<usize>) -> Option<(Bytes, ShardInfo)> {
    let header = samples.header_of(pictures);
    let last = pictures.end.checked_sub(1).filter(|last| *last >= pictures.start)?;
    let keys = samples.key(pictures.start)?..=samples.key(last)?;
    let parts = samples.parts_of(pictures);
    let mut file =
        BytesMut::with_capacity(HEADER_BYTES as usize + parts.iter().map(|part| part.len()).sum::<usize>());
    file.put_slice(&head(set, &header));
    parts.iter().for_each(|part| file.put_slice(part));
    let checksum = crc32fast::hash(&file);
    Some((file.freeze(), ShardInfo { header, keys, checksum }))
}

fn head(set: SetId, header: &SamplesHeader) -> [u8; HEADER_BYTES as usize] {
    let pb::BlockHeader { rows, width, height, channels, features, views } = (*header).into();
    let numbers = [width, height, channels, features, views].map(u32::to_le_bytes).concat();
    let mut head = [0; HEADER_BYTES as usize];
    head[..8].copy_from_slice(&MAGIC);
    head[8..24].copy_from_slice(&set.0);
    head[24..32].copy_from_slice(&rows.to_le_bytes());
    head[32..32 + numbers.len()].copy_from_slice(&numbers);
    head
}

/// Reads a file that should be a shard of this set, with labels below `classes`.
///
/// # Errors
/// [`ShardError`].
pub fn decode(file: &[u8], set: SetId, info: &ShardInfo, classes: u32) -> Result<Samples, ShardError> {
    if !file.starts_with(&MAGIC) {
        return Err(ShardError::Foreign);
    }
    if file.get(8..24) != Some(&set.0) {
        return Err(ShardError::OtherSet);
    }
    let (got, expected) = (file.len() as u64, info.bytes().unwrap_or(u64::MAX));
    if got != expected {
        return Err(ShardError::Length { got, expected });
    }
    let (got, expected) = (crc32fast::hash(file), info.checksum);
    if got != expected {
        return Err(ShardError::Checksum { got, expected });
    }
    let (start, rows) = file.split_at(HEADER_BYTES as usize);
    if start != head(set, &info.header) {
        return Err(ShardError::Pictures);
    }
    let samples = Samples::from_wire(&info.header, rows)?;
    if let Some(label) = samples.labels().iter().find(|label| **label >= classes) {
        return Err(ShardError::Label { label: *label, classes });
    }
    let keys: Vec<u64> = (0..samples.len()).filter_map(|picture| samples.key(picture)).collect();
    let ends = (keys.first(), keys.last()) == (Some(info.keys.start()), Some(info.keys.end()));
    if !ends || !keys.is_sorted_by(|a, b| a < b) {
        return Err(ShardError::Pictures);
    }
    Ok(samples)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rdd::{PictureMeta, Record};

    pub(in crate::prepared) const SET: SetId = SetId([7; 16]);

    /// A block of pictures with these keys, of two features each.
    pub(in crate::prepared) fn samples(keys: &[u64]) -> Samples {
        let mut samples = Samples::default();
        for key in keys {
            let meta = PictureMeta { key: *key, label: *key as u32 % 3 };
            samples.push("", &[Record::Features { meta, values: vec![*key as f32, 0.5] }]).unwrap();
        }
        samples
    }

    #[test]
    fn a_shard_is_read_as_it_was_written_and_only_so() {
        let samples = samples(&[2, 3, 7, 9]);
        let (file, info) = encode(SET, &samples, &(1..4)).unwrap();
        assert_eq!((info.bytes(), info.keys.clone()), (Some(file.len() as u64), 3..=9));
        let again = decode(&file, SET, &info, 3).unwrap();
        assert_eq!((again.key(0), again.labels()), (Some(3), &samples.labels()[1..]));
        for at in 0..file.len() {
            let mut damaged = file.to_vec();
            damaged[at] ^= 1;
            assert!(decode(&damaged, SET, &info, 3).is_err(), "byte {at}");
        }
        let reason = |file: &[u8], set, info: &ShardInfo, classes| {
            decode(file, set, info, classes).unwrap_err().to_string()
        };
        assert!(reason(&file[..file.len() - 1], SET, &info, 3).contains("cut off"));
        assert!(reason(b"", SET, &info, 3).contains("no shard"));
        assert!(reason(&file, SetId([8; 16]), &info, 3).contains("another prepared set"));
        assert!(reason(&file, SET, &info, 1).contains("1 classes"));
        let other = ShardInfo { keys: 4..=9, ..info.clone() };
        assert!(reason(&file, SET, &other, 3).contains("other pictures"));
        assert_eq!(encode(SET, &samples, &(2..2)), None);
    }

    #[test]
    fn what_a_shard_has_goes_over_the_wire_and_is_checked() {
        let (_, info) = encode(SET, &samples(&[2, 5]), &(0..2)).unwrap();
        let wire = pb::PreparedShard::from(&info);
        assert_eq!(ShardInfo::try_from(wire), Ok(info));
        for broken in [
            pb::PreparedShard { header: None, ..wire },
            pb::PreparedShard { last_key: 2, ..wire },
            pb::PreparedShard { first_key: 6, ..wire },
            pb::PreparedShard { header: Some(pb::BlockHeader { rows: 0, ..wire.header.unwrap() }), ..wire },
            pb::PreparedShard {
                header: Some(pb::BlockHeader {
                    rows: 2,
                    views: u32::MAX,
                    features: u32::MAX,
                    ..wire.header.unwrap()
                }),
                last_key: u64::MAX,
                ..wire
            },
        ] {
            assert!(ShardInfo::try_from(broken).is_err(), "{broken:?}");
        }
    }
}
