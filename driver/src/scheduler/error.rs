use std::time::Duration;

use howdah_proto::{AttemptId, JobId, MemberId, Partition, StageId};

/// An attempt that failed, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attempt}, partition {partition}, on executor {executor}: {message}")]
pub struct FailedAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// The partition it computed.
    pub partition: Partition,
    /// Where it ran.
    pub executor: MemberId,
    /// Why it failed, in words.
    pub message: String,
}

/// Why a job ended before its work was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// A task failed by its own error as often as it may.
    #[error("a task failed {failures} times, the last time as {last}")]
    TaskFailed {
        /// How often.
        failures: u32,
        /// The last failure.
        last: FailedAttempt,
    },
    /// Trying again can't help.
    #[error("a task can't succeed: {0}")]
    BadInput(FailedAttempt),
    /// A task's executors died under it as often as they may.
    #[error(
        "{crashes} executors were lost while they ran the same task, which may be what kills them: {last}"
    )]
    TaskCrashed {
        /// How many executors were lost.
        crashes: u32,
        /// The last loss.
        last: FailedAttempt,
    },
    /// Map outputs that a stage needed were lost again each time it was tried.
    #[error(
        "stage {stage} failed {attempts} times in a row because it could not fetch its input, the last time in {last}"
    )]
    StageFailed {
        /// The stage.
        stage: StageId,
        /// How often it was tried.
        attempts: u32,
        /// The last attempt that could not fetch.
        last: FailedAttempt,
    },
    /// There was no executor for longer than the user allows.
    #[error("job {job} waited {} s and no executor came; start one, or allow a longer wait", waited.as_secs_f64())]
    NoExecutor {
        /// The job.
        job: JobId,
        /// How long it waited.
        waited: Duration,
    },
    /// A stage depends on one that was never submitted.
    #[error("stage {stage} of job {job} depends on stage {parent}, which the job doesn't have")]
    UnknownParent {
        /// The job.
        job: JobId,
        /// The stage.
        stage: StageId,
        /// The stage it depends on.
        parent: StageId,
    },
    /// A stage was submitted twice.
    #[error("stage {stage} of job {job} was submitted twice")]
    StageTwice {
        /// The job.
        job: JobId,
        /// The stage.
        stage: StageId,
    },
    /// The job was cancelled.
    #[error("job {job} was cancelled: {reason}")]
    Cancelled {
        /// The job.
        job: JobId,
        /// Why.
        reason: String,
    },
}
