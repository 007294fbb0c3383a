use std::cmp::Ordering;

use howdah_proto::lineage::Order;

/// Bytes of a key that are compared as one number.
pub(super) const PREFIX_BYTES: usize = 8;

/// The direction in which keys are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

impl Direction {
    /// The direction of an order, if it is one by key.
    pub(super) fn of(order: Order) -> Option<Self> {
        match order {
            Order::Arrival => None,
            Order::KeyAscending => Some(Self::Up),
            Order::KeyDescending => Some(Self::Down),
        }
    }

    /// A number that stands in for a key: of two keys with different ones, the one with the smaller comes first.
    pub(super) fn prefix(self, key: &[u8]) -> u64 {
        let prefix = match key.first_chunk::<PREFIX_BYTES>() {
            Some(first) => u64::from_be_bytes(*first),
            None => {
                let mut padded = [0; PREFIX_BYTES];
                padded[..key.len()].copy_from_slice(key);
                u64::from_be_bytes(padded)
            }
        };
        match self {
            Self::Up => prefix,
            Self::Down => !prefix,
        }
    }

    /// Compares two keys of the same prefix.
    pub(super) fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Self::Up => left.cmp(right),
            Self::Down => right.cmp(left),
        }
    }
}
