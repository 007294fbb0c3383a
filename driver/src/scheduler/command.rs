use std::time::Duration;

use howdah_proto::{AttemptId, JobId, MemberId, Partition, StageId, event::FailureKind};

use super::{JobError, Millis};

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
        /// Whether another attempt of the task runs elsewhere, and is slow.
        speculative: bool,
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
    /// A task is done; what this attempt reported counts. It comes again if the task's output was lost.
    TaskDone {
        /// The attempt that succeeded.
        attempt: AttemptId,
        /// The partition it computed.
        partition: Partition,
        /// Where it ran.
        executor: MemberId,
        /// The time from its launch.
        took: Duration,
        /// Whether the success of this task was told before; only the first counts for accumulators.
        again: bool,
    },
    /// An attempt failed, and its task is tried again, unless another attempt of it still runs.
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
        /// Whether another attempt of the task still runs, which makes a new one needless.
        other_runs: bool,
    },
    /// A stage goes on after it lost outputs of its own, or could not fetch those of its parents.
    ///
    /// If it had finished, it has not any more.
    StageRetried {
        /// The job.
        job: JobId,
        /// The stage.
        stage: StageId,
        /// The number of its attempt, counted from 1.
        attempt: u32,
        /// Why, in words.
        reason: String,
    },
    /// An executor failed too often, and gets nothing new for a while or of one stage.
    Excluded {
        /// The executor.
        executor: MemberId,
        /// The stage whose tasks it does not get; all if absent.
        stage: Option<StageId>,
        /// Until when; as long as the stage lives if absent.
        until: Option<Millis>,
        /// Why, in words.
        reason: String,
    },
    /// An executor that was excluded for everything gets tasks again.
    Included {
        /// The executor.
        executor: MemberId,
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
