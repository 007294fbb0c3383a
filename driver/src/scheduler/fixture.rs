//! A small cluster for tests: executors 1, 2, … and job 1.

use howdah_proto::{
    Attempt, AttemptId, BlockId, ContextId, JobId, MemberId, NodeId, Partition, StageId, TaskIndex,
    event::FailureKind,
};

use super::{
    Command, JobError, JobOptions, Millis, Options, Output, Scheduler, StageDescription, TaskDescription,
};

pub(super) const JOB: JobId = JobId(1);
pub(super) const STAGE: StageId = StageId(1);
pub(super) const START: Millis = Millis(1_000);

/// An executor per number of slots, and job 1 without a stage.
pub(super) fn cluster(slots: &[u32]) -> Scheduler {
    cluster_with(slots, without_speculation())
}

/// The defaults, but no timer for slow attempts.
pub(super) fn without_speculation() -> JobOptions {
    JobOptions { speculation: None, ..JobOptions::default() }
}

pub(super) fn cluster_with(slots: &[u32], options: JobOptions) -> Scheduler {
    let mut scheduler = Scheduler::new(Options::default());
    for (id, slots) in (1..).zip(slots) {
        scheduler.on_executor_registered(MemberId(id), *slots, format!("host{id}"), START);
    }
    scheduler.on_job_submitted(JOB, JOB.into(), options);
    scheduler
}

pub(super) fn tasks(count: u32) -> Vec<TaskDescription> {
    let describe =
        |index| TaskDescription { partition: Partition(index), prefers: Vec::new(), kept_at: None };
    (0..count).map(describe).collect()
}

pub(super) fn tasks_near_blocks(count: u32) -> Vec<TaskDescription> {
    tasks(count)
        .into_iter()
        .map(|task| TaskDescription { prefers: vec![block(task.partition.0)], ..task })
        .collect()
}

pub(super) fn block(partition: u32) -> BlockId {
    BlockId { context: ContextId(1), node: NodeId(0), partition: Partition(partition) }
}

/// An attempt of a task of stage 1 of job 1.
pub(super) fn attempt(task: u32, attempt: u32) -> AttemptId {
    AttemptId { job: JOB, stage: STAGE, task: TaskIndex(task), attempt: Attempt(attempt) }
}

/// Where which task was launched: (stage, task, attempt, executor).
pub(super) fn launches(commands: &[Command]) -> Vec<(u64, u32, u32, u64)> {
    let launch = |command: &Command| match command {
        Command::Launch { executor, attempt, .. } => {
            Some((attempt.stage.0, attempt.task.0, attempt.attempt.0, executor.0))
        }
        _ => None,
    };
    commands.iter().filter_map(launch).collect()
}

pub(super) fn error(commands: &[Command]) -> Option<&JobError> {
    commands.iter().find_map(|command| match command {
        Command::JobFailed { error, .. } => Some(error),
        _ => None,
    })
}

impl Scheduler {
    /// Submits stage 1.
    pub(super) fn submit(&mut self, tasks: Vec<TaskDescription>) -> Vec<Command> {
        self.submit_stage(JOB, STAGE.0, &[], tasks)
    }

    pub(super) fn submit_stage(
        &mut self,
        job: JobId,
        stage: u64,
        parents: &[u64],
        tasks: Vec<TaskDescription>,
    ) -> Vec<Command> {
        self.submit_as(Output::Returned, job, stage, parents, tasks)
    }

    /// Submits a stage whose outputs stay on the executors.
    pub(super) fn submit_map(
        &mut self,
        stage: u64,
        parents: &[u64],
        tasks: Vec<TaskDescription>,
    ) -> Vec<Command> {
        self.submit_as(Output::Kept, JOB, stage, parents, tasks)
    }

    fn submit_as(
        &mut self,
        output: Output,
        job: JobId,
        stage: u64,
        parents: &[u64],
        tasks: Vec<TaskDescription>,
    ) -> Vec<Command> {
        let parents = parents.iter().copied().map(StageId).collect();
        let description = StageDescription { stage: StageId(stage), parents, tasks, output };
        self.on_stage_submitted(job, description, START)
    }

    pub(super) fn succeed(&mut self, attempt: AttemptId, executor: u64) -> Vec<Command> {
        self.on_attempt_succeeded(attempt, MemberId(executor), &[], START)
    }

    pub(super) fn fail(&mut self, attempt: AttemptId, executor: u64, kind: FailureKind) -> Vec<Command> {
        self.on_attempt_failed(attempt, MemberId(executor), kind, "it broke", START)
    }
}
