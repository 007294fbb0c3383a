//! What can happen in the simulation.

use howdah_proto::{AttemptId, JobId, MemberId, event::FailureKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    Join,
    Report(MemberId, AttemptId, Outcome),
    Lost(MemberId),
    Submit(JobId),
    CancelJob(JobId),
    Mischief,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Success,
    Failure(u8),
    /// The executor dies of it.
    Death,
}

pub(super) const KINDS: [FailureKind; 6] = [
    FailureKind::Task,
    FailureKind::ShardUnavailable,
    FailureKind::Superseded,
    FailureKind::ExecutorLost,
    FailureKind::Cancelled,
    FailureKind::BadInput,
];

/// What is wrong with one task of a job, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    AlwaysFails,
    KillsItsExecutor,
}
