use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Partitioner;
use crate::{NodeId, ObjectId};

/// An operator as it is shipped and as a model file records it: looked up by name and version where it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSpec {
    /// The name under which the operator is registered.
    #[serde(rename = "operator")]
    pub name: String,
    /// The version of its behaviour.
    pub version: u32,
    /// Its parameters, a JSON object.
    #[serde(default)]
    pub params: serde_json::Value,
}

/// A node of a lineage.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where its records come from.
    pub parents: Vec<NodeId>,
    /// How many partitions it has; 0 if that is known only when the job runs.
    pub partitions: u32,
    /// How its computed partitions are kept; none if they aren't.
    pub persist: Option<StorageLevel>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Pictures as the driver listed them; a partition's share arrives with the task.
    Files,
    /// The numbers (`i64`) from `start` up to, and without, `end`.
    Range {
        /// The first.
        start: i64,
        /// Where they end.
        end: i64,
        /// From one to the next; not 0.
        step: i64,
    },
    /// Records that the program gave; one slice for each partition.
    Collection(Vec<Slice>),
    /// Files that were saved, one for each partition.
    Saved {
        /// Where they are.
        folder: String,
    },
    /// A registered operator or function over the records of one parent.
    Operator(OperatorSpec),
    /// Another form of the same records.
    Reshape(Reshape),
    /// Records chosen by chance.
    Sample {
        /// Whether a record may be chosen more than once.
        with_replacement: bool,
        /// The chance of a record, or how often it comes on average with replacement.
        fraction: f64,
        /// What the choice depends on, together with the partition.
        seed: u64,
    },
    /// The records whose draw from [0, 1) falls into [from, to).
    Split {
        /// The lower end.
        from: f64,
        /// The upper end.
        to: f64,
        /// What the draws depend on, together with the partition.
        seed: u64,
    },
    /// Pairs of a record and its place (`u64`).
    ZipWithIndex {
        /// The place of the first record of each partition.
        first: Vec<u64>,
    },
    /// The partitions of all parents, one parent after the other.
    Union,
    /// Pairs of the records of two parents that stand at the same place.
    Zip,
    /// All pairs of a record of one parent with one of the other.
    Cartesian,
    /// Fewer partitions, each made of neighbouring ones of the parent.
    Coalesce,
    /// The values of each key merged; the parent is sorted by key.
    Combine {
        /// How they are merged.
        combiner: OperatorSpec,
        /// Whether the values are combined already, by the same combiner.
        combined: bool,
    },
    /// One record for each partition that has any: all its records merged.
    Partial {
        /// How they are merged.
        combiner: OperatorSpec,
        /// Whether the records are combined already, by the same combiner.
        combined: bool,
    },
    /// The records of each key together; the parents are sorted by key, and partitioned alike.
    Group(Group),
    /// Records sent to the partitions that their keys belong to.
    Shuffle(Shuffle),
}

/// The records of one partition of a [`NodeKind::Collection`], as frames of batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// The frames.
    Inline(Bytes),
    /// An object that the driver keeps, with the frames.
    Object(ObjectId),
}

/// How the computed partitions of a node are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StorageLevel {
    /// Where.
    pub place: StoragePlace,
    /// Whether on one executor or two.
    pub copies: Copies,
}

/// Where computed partitions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoragePlace {
    /// In memory; what doesn't fit is computed again.
    Memory,
    /// In memory, and what doesn't fit on disk.
    MemoryAndDisk,
    /// On disk.
    Disk,
}

/// On how many executors a computed partition is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Copies {
    /// On the one that computed it.
    One,
    /// On another one, too.
    Two,
}

impl StorageLevel {
    /// In the memory of one executor.
    pub const MEMORY: Self = Self { place: StoragePlace::Memory, copies: Copies::One };
    /// In the memory of one executor, and on its disk what doesn't fit.
    pub const MEMORY_AND_DISK: Self = Self { place: StoragePlace::MemoryAndDisk, copies: Copies::One };
    /// On the disk of one executor.
    pub const DISK: Self = Self { place: StoragePlace::Disk, copies: Copies::One };

    /// The same, on two executors.
    #[must_use]
    pub const fn twice(self) -> Self {
        Self { copies: Copies::Two, ..self }
    }
}

/// Another form of the same records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reshape {
    /// All records of a partition as one list.
    Glom,
    /// The key of each pair.
    Keys,
    /// The value of each pair.
    Values,
    /// The whole record as a key.
    WholeAsKey,
    /// Records that are pairs known as pairs again.
    Pairs,
}

/// How the records of a key are brought together. `L` and `R` are the values of the first and second parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// (key, list of values), of one parent.
    Values,
    /// Each key once, of one parent.
    Distinct,
    /// (key, a list of values for each parent): a pair of lists for two parents, a tuple for more.
    Cogroup,
    /// (key, (L, R)) for each two values of a key.
    InnerJoin,
    /// The same, with an optional R.
    LeftOuterJoin,
    /// The same, with an optional L.
    RightOuterJoin,
    /// The same, both optional.
    FullOuterJoin,
    /// Each key that both parents have, once.
    Intersection,
    /// The pairs of the first parent whose key the second one lacks.
    Subtract,
}

/// How records travel to the partitions that they belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Shuffle {
    /// Which partition a record belongs to.
    pub partitioner: Partitioner,
    /// Merges the values of a key before they travel and after; they come out combined.
    pub combiner: Option<OperatorSpec>,
    /// In which order the records of a partition come out.
    pub order: Order,
}

/// In which order the records of a shuffled partition come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Map partition by map partition, each in its own order.
    Arrival,
    /// By key; records of the same key by map partition, and there in their own order.
    KeyAscending,
    /// By key, the largest first; records of the same key as above.
    KeyDescending,
}
