use std::time::Duration;

use howdah_proto::{AttemptId, JobId, MemberId, Partition, StageId, event::FailureKind};

use super::JobError;

/// What the shell around the scheduler must do or record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send the attempt to the executor.
    Launch {
        /// Where it runs.
        executor: MemberId,
        /// The attempt.
        attempt: AttemptId,
        /// The partition it computes.
        partition: Partition,
    },
    /// Tell the executor to stop the attempt.
    Cancel {
        /// Where it runs.
        executor: MemberId,
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        reason: String,
    },
    /// All parents of a stage are finished, and its tasks may run.
    StageStarted {
        /// The job.
        job: JobId,
        /// The stage.
        stage: StageId,
        /// How many tasks it has.
        tasks: u32,
    },
    /// A task is done; what this attempt reported counts. It comes once per task.
    TaskDone {
        /// The attempt that succeeded.
        attempt: AttemptId,
        /// The partition it computed.
        partition: Partition,
        /// Where it ran.
        executor: MemberId,
        /// The time from its launch.
        took: Duration,
    },
    /// An attempt failed, and its task is tried again.
    Retrying {
        /// The attempt that failed.
        attempt: AttemptId,
        /// The partition it computed.
        partition: Partition,
        /// Where it ran.
        executor: MemberId,
        /// Why it failed, as a kind.
        kind: FailureKind,
        /// Why it failed, in words.
        message: String,
        /// How long the task waits before it may run.
        after: Duration,
    },
    /// All tasks of a stage are done.
    StageFinished {
        /// The job.
        job: JobId,
        /// The stage.
        stage: StageId,
    },
    /// The job failed or was cancelled, and is forgotten.
    JobFailed {
        /// The job.
        job: JobId,
        /// Why.
        error: JobError,
    },
    /// The job has tasks to run and there is no executor for them.
    Waiting {
        /// The job.
        job: JobId,
        /// For what, in words.
        reason: String,
    },
    /// The job goes on after it waited.
    GoesOn {
        /// The job.
        job: JobId,
    },
    /// A report changed nothing. It is told for the log.
    Ignored {
        /// What was reported.
        attempt: AttemptId,
        /// Who reported it.
        executor: MemberId,
        /// Why it was ignored.
        why: Ignored,
    },
}

/// Why a report about an attempt was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The executor has been lost, or never registered.
    #[error("the executor is not registered")]
    UnknownExecutor,
    /// The executor does not run the attempt: it has ended already, or was never launched there.
    #[error("the executor doesn't run this attempt")]
    NotRunning,
}
