use howdah_proto::{ShardIndex, event::Move, pb};

/// Something that is asked of a parameter server, unique in its job; an answer to another one comes too late. Those that are
/// asked later have higher numbers, by which servers tell what was overtaken on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// Why something that was asked of a parameter server isn't done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardFault {
    /// Another try may do it, here or on another server.
    #[error("{0}")]
    Passing(String),
    /// The parameter server didn't answer: whether it is done isn't known.
    #[error("{0}")]
    Unanswered(String),
    /// The parameter server has started again, and knows nothing of the shard.
    #[error("{0}")]
    Absent(String),
    /// No try will: the file of a snapshot isn't the one that was saved.
    #[error("{0}")]
    Lasting(String),
}

/// Something that is asked of the parameter server of a shard.
#[derive(Debug, Clone, PartialEq)]
pub enum ShardIo {
    /// Make a primary of the standby at this place.
    Promote {
        /// Which request.
        op: OpId,
        /// The place, with its new term.
        place: pb::ShardPlace,
    },
    /// Bring a standby up to date.
    Attach {
        /// Which request.
        op: OpId,
        /// The primary.
        place: pb::ShardPlace,
        /// The parameter server of the standby.
        standby: String,
    },
    /// Make sure that the standby has all that the primary has acknowledged.
    Check {
        /// Which request.
        op: OpId,
        /// The primary.
        place: pb::ShardPlace,
        /// The parameter server of the standby.
        standby: String,
    },
    /// Go on without the standby.
    Detach {
        /// Which request.
        op: OpId,
        /// The primary.
        place: pb::ShardPlace,
    },
}

/// What is to be done about the shards of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum ShardStep {
    /// Make these shards, from a snapshot or from the initial weights.
    Make(Vec<(OpId, pb::ShardPlace)>),
    /// Ask something of one shard.
    Ask(ShardIo),
    /// Tell executors where the shards are.
    Publish(Vec<pb::ShardPlace>),
    /// All shards go back together: what was computed since their snapshot is computed again.
    GoBack,
    /// A shard was lost.
    Lost {
        /// Which.
        shard: ShardIndex,
        /// Where it was.
        address: String,
    },
    /// A shard is there again.
    Moved {
        /// Which.
        shard: ShardIndex,
        /// Where it is.
        address: String,
        /// Where its weights come from; none if they were made from what the job has now.
        how: Option<Move>,
        /// Seconds from its loss.
        seconds: f64,
    },
    /// A shard has a standby that is up to date.
    Protected {
        /// Which.
        shard: ShardIndex,
        /// Where its standby is.
        address: String,
    },
    /// A standby stays behind, or can't be brought up to date: another one is looked for.
    Exposed {
        /// Of which shard.
        shard: ShardIndex,
        /// Where the standby was to be.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Shards wait for a parameter server.
    Wait(String),
    /// They don't any more.
    GoOn,
    /// A standby is wanted, and there is no second parameter server for it.
    Unprotected,
    /// It can't be done, however often it was tried.
    GiveUp(String),
}
