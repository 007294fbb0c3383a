use serde::{Deserialize, Serialize};

use super::{EpochReport, FailureKind, JobReport, PrepareReport, Role, StageKind};
use crate::{
    Attempt, Epoch, JobId, MemberId, Partition, ShardIndex, SnapshotId, StageId, settings::TrainSettings,
};

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The driver took the job.
    JobSubmitted {
        /// The job.
        job: JobId,
        /// Its name.
        name: String,
        /// All its settings.
        settings: Box<TrainSettings>,
    },
    /// A member joined, or was there when the job began.
    MemberJoined {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
        /// Where it listens.
        address: String,
        /// How many tasks it runs at once; 0 for a parameter server.
        slots: u32,
    },
    /// A member was lost.
    MemberLost {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
        /// How that was noticed.
        reason: String,
    },
    /// A member left as it had said it would, with nothing left to do.
    MemberLeft {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
    },
    /// The pictures were listed and split.
    DatasetListed {
        /// The names of the classes, in the order of their labels.
        classes: Vec<String>,
        /// Training pictures per class.
        train: Vec<u64>,
        /// Held-out pictures per class.
        test: Vec<u64>,
        /// Validation pictures per class, which are not among the training pictures; empty if there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        validation: Vec<u64>,
        /// Whether they were drawn by the driver.
        synthetic: bool,
    },
    /// A stage began.
    StageStarted {
        /// The stage.
        stage: StageId,
        /// What it does.
        #[serde(flatten)]
        kind: StageKind,
        /// How many tasks it has.
        tasks: u32,
    },
    /// A task was given to an executor.
    TaskStarted {
        /// The stage.
        stage: StageId,
        /// The partition.
        partition: Partition,
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: MemberId,
    },
    /// A task's attempt succeeded.
    TaskSucceeded {
        /// The stage.
        stage: StageId,
        /// The partition.
        partition: Partition,
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: MemberId,
        /// Seconds from launch to success.
        seconds: f64,
    },
    /// A task's attempt failed.
    TaskFailed {
        /// The stage.
        stage: StageId,
        /// The partition.
        partition: Partition,
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: MemberId,
        /// Why, as a kind.
        kind: FailureKind,
        /// Why, in words.
        message: String,
    },
    /// All tasks of a stage are done.
    StageFinished {
        /// The stage.
        stage: StageId,
        /// What it did.
        #[serde(flatten)]
        kind: StageKind,
        /// Seconds from its start.
        seconds: f64,
    },
    /// How far a stage is. Streamed, not logged.
    Progress {
        /// The stage.
        stage: StageId,
        /// What it does.
        #[serde(flatten)]
        kind: StageKind,
        /// Pictures prepared or steps taken.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// A picture can't be used and is left out.
    PictureSkipped {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Other jobs have prepared partitions of this job, or are preparing them: it doesn't.
    BlocksShared {
        /// Partitions that were prepared.
        partitions: u32,
        /// Partitions that are being prepared.
        awaited: u32,
    },
    /// An operator of the pipeline was fitted to the training pictures.
    OperatorFitted {
        /// What it is called.
        operator: String,
        /// The records that it was fitted to.
        records: u64,
        /// The bytes of its parameters.
        bytes: u64,
        /// Seconds that it took.
        seconds: f64,
    },
    /// The job can't go on until something happens.
    Waiting {
        /// For what, in words.
        reason: String,
    },
    /// The job goes on after it waited.
    GoesOn,
    /// The first step of training was about to be taken.
    FirstStep {
        /// Seconds since the job was submitted.
        seconds: f64,
    },
    /// A shard's weights can't be reached: its parameter server is gone, or all shards go back to a snapshot.
    ShardLost {
        /// The shard.
        shard: ShardIndex,
        /// The address of the parameter server that held it.
        address: String,
    },
    /// A shard that was lost can be reached again, or was moved.
    ShardMoved {
        /// The shard.
        shard: ShardIndex,
        /// The address of the parameter server that holds it now.
        address: String,
        /// Where its weights come from.
        how: Move,
        /// Seconds from its loss.
        seconds: f64,
    },
    /// A shard has a standby that is up to date: from now on an acknowledged push is on both.
    StandbyAttached {
        /// The shard.
        shard: ShardIndex,
        /// The address of the parameter server that holds the standby.
        address: String,
    },
    /// A standby can't be brought up to date, or stays behind: the shard goes on without, until another one is there.
    StandbyFailed {
        /// The shard.
        shard: ShardIndex,
        /// The address of the parameter server that was to hold the standby.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Standbys are wanted, and there is no second parameter server to hold them: the job goes on without.
    NoStandby,
    /// The weights of the best epoch so far are not kept any more, because a shard was lost or the run was resumed: the
    /// model is that of the best epoch after it.
    BestEpochLost {
        /// The epoch.
        epoch: Epoch,
    },
    /// A snapshot of all shards is durable.
    SnapshotTaken {
        /// Which.
        snapshot: SnapshotId,
        /// The epoch that was being trained, or had just been.
        epoch: Epoch,
        /// The bytes of its files.
        bytes: u64,
        /// Seconds that it took.
        seconds: f64,
    },
    /// A snapshot could not be taken; the one before it holds.
    SnapshotFailed {
        /// Why.
        reason: String,
    },
    /// The job goes on from a snapshot of an earlier run.
    Resumed {
        /// Which snapshot.
        snapshot: SnapshotId,
        /// The epoch that it goes on with.
        epoch: Epoch,
        /// The location of the snapshots.
        location: String,
    },
    /// An epoch was trained and evaluated.
    EpochFinished(EpochReport),
    /// The job ended well; its model can be fetched.
    JobFinished(Box<JobReport>),
    /// The job ended well; the prepared set is where it was wanted.
    JobPrepared(Box<PrepareReport>),
    /// The job failed.
    JobFailed {
        /// Why, in words.
        error: String,
        /// What the user can do.
        hint: Option<String>,
        /// Whether it did not begin because of what is where it goes on from or takes its snapshots. That says nothing of
        /// its other settings, and the same job may begin later.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_place: bool,
    },
    /// The job was cancelled.
    JobCancelled {
        /// Why.
        reason: String,
    },
}

impl Event {
    /// Whether the event belongs in the event log.
    pub fn is_logged(&self) -> bool {
        !matches!(self, Self::Progress { .. })
    }

    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Self::JobFinished(_) | Self::JobPrepared(_) | Self::JobFailed { .. } | Self::JobCancelled { .. }
        )
    }
}

/// Where the weights of a shard come from that was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// Its standby took over.
    Promoted,
    /// They were read from a snapshot.
    Restored,
    /// They are the initial ones: there was no snapshot.
    StartedAnew,
    /// The parameters were spread over another number of shards.
    Resharded,
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Promoted => "its standby took over",
            Self::Restored => "restored from the last snapshot",
            Self::StartedAnew => "started anew from the initial weights",
            Self::Resharded => "spread anew",
        })
    }
}
