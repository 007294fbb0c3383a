use howdah_proto::{
    Attempt, Round, Step,
    fence::TrainTask,
    settings::{MAX_CONTRIBUTIONS, UpdateRule},
};

use super::CutId;
use crate::rules::OutOfMemory;

/// The most values a shard may have.
pub const MAX_VALUES: u64 = 1 << 31;
/// The most tags a shard keeps at a time.
pub const MAX_TAGS: usize = 1024;
/// The most training tasks a shard keeps marks of.
pub const MAX_TASKS: usize = 1 << 22;
/// The most cuts that are planned at a time: each may need a copy of the shard.
pub const MAX_CUTS: usize = 2;

/// Something a shard was asked for and can't do. It leaves no trace in the weights and marks; a cut that there was no room
/// for may have lost its plan, or that of an older one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// A push belongs to a round where there are none, or to none where there are rounds.
    #[error("{}", if *.in_rounds { "a push without a round came where training goes on in rounds" }
        else { "a push of a round came where training has no rounds" })]
    Course {
        /// Whether training goes on in rounds.
        in_rounds: bool,
    },
    /// Two contributions to a round don't agree on how many there are.
    #[error("a contribution says that round {round} has {got} of them, where the first said {expected}")]
    Contributions {
        /// The round.
        round: Round,
        /// What the first one said.
        expected: u32,
        /// What this one says.
        got: u32,
    },
    /// A round is too large.
    #[error("a round has from 1 to {MAX_CONTRIBUTIONS} contributions, not {contributions}")]
    TooManyContributions {
        /// How many it is said to have.
        contributions: u32,
    },
    /// A snapshot has a later plan.
    #[error("{0} has come too late: there is a later one")]
    PlannedAnew(CutId),
    /// There are too many cuts.
    #[error("the shard has {MAX_CUTS} cuts planned and no more: drop one first")]
    TooManyCuts,
    /// A fence is beyond what a shard without a lock can keep.
    #[error("a shard without a lock knows attempts below {} and steps below {}, not attempt {attempt} and step {step}",
        1u64 << 24, 1u64 << 39)]
    FenceRange {
        /// The attempt.
        attempt: Attempt,
        /// The last step.
        step: Step,
    },
    /// A rule can't be applied without a lock.
    #[error("only the rules `sum` and `sgd` can be applied without a lock, not {rule:?}")]
    NeedsLock {
        /// The rule.
        rule: UpdateRule,
    },
    /// A standby isn't what its primary is.
    #[error(
        "the primary has applied a push of {task} that doesn't follow what the standby has: attach it again"
    )]
    Diverged {
        /// The task of the push.
        task: TrainTask,
    },
    /// Pushes from a primary have a gap.
    #[error("push {got} came from the primary where {expected} is next")]
    Sequence {
        /// The one that is next.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// Bytes are not the image of this shard.
    #[error("the image of a shard can't be used: {reason}")]
    Image {
        /// What is wrong with them.
        reason: String,
    },
    /// There is no memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}
