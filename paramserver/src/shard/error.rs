use crate::rules::OutOfMemory;

/// The most values a shard may have.
pub const MAX_VALUES: u64 = 1 << 31;
/// The most tags a shard keeps at a time.
pub const MAX_TAGS: usize = 1024;
/// The most training tasks a shard keeps marks of.
pub const MAX_TASKS: usize = 1 << 22;

/// Something a shard was asked for and can't do. It leaves no trace in the shard.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ShardError {
    /// A shard of that size isn't allowed.
    #[error("a shard has from 1 to {MAX_VALUES} values, not {values}")]
    Size {
        /// The size asked for.
        values: u64,
    },
    /// Values came in another number than the shard has.
    #[error("{given} values came where the shard has {values}")]
    Length {
        /// How many came.
        given: usize,
        /// How many the shard has.
        values: usize,
    },
    /// A value isn't a finite number.
    #[error("value {index} is {value}: training has diverged (try a lower learning rate)")]
    NotFinite {
        /// Its place in the shard.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// The initial weights come when the shard has moved on.
    #[error("the initial weights were set before, or pushes were applied since")]
    NotInitial,
    /// There are too many tags.
    #[error("the shard keeps {MAX_TAGS} tags and no more: remove one first")]
    TooManyTags,
    /// There are too many training tasks.
    #[error("the shard keeps marks of {MAX_TASKS} training tasks and no more")]
    TooManyTasks,
    /// There is no memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}
