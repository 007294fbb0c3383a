//! What can happen in the simulation.

use howdah_proto::{AttemptId, ContextId, JobId, MemberId, StageId, event::FailureKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    Join,
    Report(MemberId, AttemptId, Outcome),
    Lost(MemberId),
    Submit(JobId),
    CancelJob(JobId),
    CloseContext(ContextId),
    Mischief,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Success,
    Failure(u8),
    /// It could not fetch an output; what it says of it is true or not.
    NoFetch {
        true_name: bool,
    },
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
    NeverFetches,
    LiesAboutFetches,
}

impl Flaw {
    pub(super) fn is_about_fetches(self) -> bool {
        matches!(self, Self::NeverFetches | Self::LiesAboutFetches)
    }

    /// The stage whose first task has the flaw.
    pub(super) fn stage(self) -> StageId {
        if self.is_about_fetches() { StageId(2) } else { StageId(1) }
    }
}
