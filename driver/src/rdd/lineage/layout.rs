use std::sync::Arc;

use howdah_proto::{
    Partition,
    lineage::{Order, Partitioner},
};

/// What is known of where the records of an RDD are, and in which order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::rdd) enum Layout {
    /// Nothing.
    #[default]
    Unknown,
    /// Records of the same key are in the same partition.
    Keyed {
        /// What the key is.
        by: By,
        /// Which partition a key belongs to.
        partitioner: Arc<Partitioner>,
        /// The order in a partition.
        order: Order,
    },
}

/// What records are partitioned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rdd) enum By {
    /// The key of each pair.
    Key,
    /// The whole record.
    Record,
}

/// Where records shall be.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rdd) struct Target {
    pub(in crate::rdd) partitioner: Arc<Partitioner>,
    pub(in crate::rdd) partitions: u32,
}

/// A partitioning is kept although a hash into more partitions could be had, unless it has so many times fewer. It is
/// what Spark does (`Partitioner.defaultPartitioner`).
const TOO_FEW: u64 = 10;

impl Layout {
    /// The layout after a shuffle; one that deals records out says nothing of keys.
    pub(in crate::rdd) fn shuffled(by: By, partitioner: Arc<Partitioner>, order: Order) -> Self {
        match *partitioner {
            Partitioner::RoundRobin { .. } => Self::Unknown,
            Partitioner::Hash | Partitioner::Range { .. } => Self::Keyed { by, partitioner, order },
        }
    }

    /// The partitioner, if records can be grouped as they lie: by this key, in ascending order.
    pub(in crate::rdd) fn groups(&self, wanted: By) -> Option<&Arc<Partitioner>> {
        match self {
            Self::Keyed { by, partitioner, order: Order::KeyAscending } if *by == wanted => Some(partitioner),
            _ => None,
        }
    }

    /// The partition that has all records of an encoded key.
    pub(in crate::rdd) fn partition_of(&self, key: &[u8], partitions: u32) -> Option<Partition> {
        match self {
            Self::Keyed { by: By::Key, partitioner, .. } => {
                Some(partitioner.partition(key, Partition(0), 0, partitions))
            }
            _ => None,
        }
    }

    /// The layout of the keys of these pairs, or of pairs with these records as keys.
    pub(in crate::rdd) fn by(self, from: By, to: By) -> Self {
        match self {
            Self::Keyed { by, partitioner, order } if by == from => {
                Self::Keyed { by: to, partitioner, order }
            }
            _ => Self::Unknown,
        }
    }
}

impl Target {
    /// A hash of keys.
    pub(in crate::rdd) fn hash(partitions: u32) -> Self {
        Self { partitioner: Arc::new(Partitioner::Hash), partitions: partitions.max(1) }
    }

    /// Chooses where the records of all these RDDs meet: where those of one of them are, if that has enough
    /// partitions, or is what was wished for.
    pub(in crate::rdd) fn choose(by: By, wished: Option<u32>, all: &[(&Layout, u32)]) -> Self {
        let most = wished.unwrap_or_else(|| all.iter().map(|(_, partitions)| *partitions).max().unwrap_or(1));
        all.iter()
            .filter_map(|(layout, partitions)| Some((layout.groups(by)?, *partitions)))
            .filter(|(_, partitions)| match wished {
                Some(wished) => wished == *partitions,
                None => u64::from(*partitions) * TOO_FEW > u64::from(most),
            })
            .max_by_key(|(_, partitions)| *partitions)
            .map_or_else(
                || Self::hash(most),
                |(partitioner, partitions)| Self { partitioner: partitioner.clone(), partitions },
            )
    }

    /// Whether records lie as they shall already.
    pub(in crate::rdd) fn is_met(&self, by: By, layout: &Layout, partitions: u32) -> bool {
        partitions == self.partitions
            && layout.groups(by).is_some_and(|partitioner| *partitioner == self.partitioner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed() -> Layout {
        Layout::shuffled(By::Key, Arc::new(Partitioner::Hash), Order::KeyAscending)
    }

    #[test]
    fn records_meet_where_some_of_them_are() {
        let (hashed, unknown) = (hashed(), Layout::Unknown);
        let choose = |wished, all: &[(&Layout, u32)]| Target::choose(By::Key, wished, all).partitions;
        assert_eq!(choose(None, &[(&hashed, 4), (&unknown, 30)]), 4);
        assert_eq!(choose(None, &[(&hashed, 3), (&unknown, 30)]), 30);
        assert_eq!(choose(Some(7), &[(&hashed, 4), (&unknown, 30)]), 7);
        assert_eq!(choose(None, &[(&unknown, 0)]), 1);
        assert!(Target::hash(4).is_met(By::Key, &hashed, 4));
        assert!(!Target::hash(4).is_met(By::Key, &hashed, 5));
        assert!(!Target::hash(4).is_met(By::Record, &hashed, 4));
    }

    #[test]
    fn records_in_descending_order_can_not_be_grouped_as_they_lie() {
        let down = Layout::shuffled(By::Key, Arc::new(Partitioner::Hash), Order::KeyDescending);
        assert_eq!(down.groups(By::Key), None);
        assert!(down.partition_of(b"key", 4).is_some());
    }

    #[test]
    fn records_that_were_dealt_out_are_nowhere_in_particular() {
        let deal = Arc::new(Partitioner::RoundRobin { seed: 1 });
        assert_eq!(Layout::shuffled(By::Key, deal, Order::Arrival), Layout::Unknown);
    }
}
