use crate::rdd::SamplesError;

/// Why a file is not the shard that the manifest of a prepared set names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It is something else.
    #[error("it is no shard of a prepared set")]
    Foreign,
    /// It was made for another set.
    #[error("it is a shard of another prepared set")]
    OtherSet,
    /// It has another length.
    #[error("it has {got} bytes, its manifest says {expected}: it is cut off, or another file")]
    Length {
        /// Bytes that it has.
        got: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// Its checksum is another one.
    #[error("its checksum is {got:08x}, its manifest says {expected:08x}: it is damaged")]
    Checksum {
        /// The CRC-32 of what is there.
        got: u32,
        /// What it should be.
        expected: u32,
    },
    /// What it says of itself is not what its manifest says.
    #[error("it has other pictures than its manifest says")]
    Pictures,
    /// A label in it is that of no class.
    #[error("it has a picture of class number {label}, but there are {classes} classes")]
    Label {
        /// The label.
        label: u32,
        /// How many classes there are.
        classes: u32,
    },
    /// Its rows can't stand beside those of the shards before it.
    #[error(transparent)]
    Samples(#[from] SamplesError),
}
