use bytes::Bytes;

use crate::Partition;

/// Which partition a record belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioner {
    /// By the hash of its key.
    Hash,
    /// By the place of its key between bounds.
    Range {
        /// One fewer than partitions, ascending. A partition has the keys above its lower bound, up to and with its
        /// upper one.
        bounds: Vec<Bytes>,
        /// Whether the largest keys come first.
        descending: bool,
    },
    /// One record after the other, whatever it is, from a place that depends on the seed and the map partition.
    RoundRobin {
        /// The seed.
        seed: u64,
    },
}

impl Partitioner {
    /// The partition, of so many, that record number `row` of a map partition belongs to. `key` is encoded such that
    /// its bytes compare as keys do.
    pub fn partition(&self, key: &[u8], map: Partition, row: u64, partitions: u32) -> Partition {
        let partitions = partitions.max(1);
        Partition(match self {
            Self::Hash => ((u64::from(partitions) * (hash(key) >> 32)) >> 32) as u32,
            Self::Range { bounds, descending } => {
                let place = bounds.partition_point(|bound| &bound[..] < key) as u32;
                let place = place.min(partitions - 1);
                if *descending { partitions - 1 - place } else { place }
            }
            Self::RoundRobin { seed } => {
                let first = mix(seed ^ mix(u64::from(map.0) + 1));
                (first.wrapping_add(row) % u64::from(partitions)) as u32
            }
        })
    }
}

/// Hashes a key: the same on every machine and in every version, because map outputs depend on it.
fn hash(key: &[u8]) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (key.len() as u64);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        state = mix(state ^ u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        state = mix(state ^ u64::from_le_bytes(word));
    }
    mix(state)
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014).
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partitioner: &Partitioner, key: &[u8], row: u64) -> u32 {
        partitioner.partition(key, Partition(3), row, 4).0
    }

    #[test]
    fn hashed_keys_spread_over_all_partitions() {
        let mut counts = [0; 4];
        for key in 0u64..4000 {
            counts[place(&Partitioner::Hash, &key.to_be_bytes(), 0) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_hash_of_a_key_never_changes() {
        assert_eq!(hash(b"elephant"), hash(b"elephant"));
        assert_ne!(hash(b"a"), hash(b"a\0"));
        let places: Vec<u32> =
            (0u64..8).map(|key| place(&Partitioner::Hash, &key.to_be_bytes(), 0)).collect();
        assert_eq!(places, GOLDEN);
    }

    const GOLDEN: [u32; 8] = [1, 3, 1, 3, 3, 0, 2, 0];

    #[test]
    fn a_range_has_its_upper_bound_and_not_its_lower() {
        let bounds = vec![Bytes::from("b"), Bytes::from("d"), Bytes::from("f")];
        let up = Partitioner::Range { bounds: bounds.clone(), descending: false };
        let down = Partitioner::Range { bounds, descending: true };
        let keys: [&[u8]; 6] = [b"", b"b", b"ba", b"d", b"f", b"g"];
        assert_eq!(keys.map(|key| place(&up, key, 0)), [0, 0, 1, 1, 2, 3]);
        assert_eq!(keys.map(|key| place(&down, key, 0)), [3, 3, 2, 2, 1, 0]);
    }

    #[test]
    fn records_dealt_in_turn_fill_partitions_alike() {
        let deal = Partitioner::RoundRobin { seed: 7 };
        let mut counts = [0; 4];
        (0..40).for_each(|row| counts[place(&deal, b"same", row) as usize] += 1);
        assert_eq!(counts, [10; 4]);
    }
}
