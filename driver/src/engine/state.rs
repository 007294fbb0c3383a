use std::{collections::BTreeMap, sync::Arc, time::Duration};

use howdah_executor::rdd::Registry;
use howdah_proto::{
    AttemptId, BlockId, JobId, MemberId, Partition, StageId,
    event::{Event, Role, StageKind},
    pb,
};

use super::{Effect, MemberCounts, rdd::Rdds, rounds::EpochRounds, shared::Shared, takes::Takes};
use crate::{
    membership::Members,
    scheduler::{Command, Millis, Options, Scheduler},
    train::{ClusterView, StageProgress, TrainJob},
};

/// Everything the driver knows.
#[derive(Debug)]
pub struct Engine {
    pub(super) members: Members,
    pub(super) scheduler: Scheduler,
    pub(super) jobs: BTreeMap<JobId, JobState>,
    pub(super) stages: BTreeMap<StageId, Stage>,
    /// Executors that are ready for tasks, and which version of which job they have been told.
    pub(super) attached: BTreeMap<MemberId, BTreeMap<JobId, u32>>,
    /// The result of the attempt whose success is being reported, until the scheduler says that it counts.
    pub(super) reported: Option<(AttemptId, pb::attempt_succeeded::Result)>,
    /// Ended jobs of which this many requests to shards are under way, after which the shards can be dropped.
    pub(super) unfinished_shards: BTreeMap<JobId, u32>,
    pub(super) takes: Takes,
    /// What programs run.
    pub(super) rdds: Rdds,
    /// What jobs have prepared, for others that need the same.
    pub(super) shared: Shared,
    /// The operators that jobs may use.
    pub(super) registry: Arc<Registry>,
    pub(super) next_job: u64,
    pub(super) next_stage: u64,
    pub(super) effects: Vec<Effect>,
}

/// A job that has not ended.
#[derive(Debug)]
pub(super) struct JobState {
    pub(super) name: String,
    pub(super) train: TrainJob,
    pub(super) shared: Option<pb::PutJob>,
    /// Counts the changes of `shared`.
    pub(super) version: u32,
    /// Requests to shards that are under way.
    pub(super) shard_requests: u32,
    /// The epoch whose rounds are under way, as one stage for those who watch.
    pub(super) rounds: Option<EpochRounds>,
}

/// A stage that has not finished.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) job: JobId,
    pub(super) kind: StageKind,
    /// Whether it is one round of an epoch.
    pub(super) in_round: bool,
    /// The partition of each task.
    pub(super) partitions: Vec<Partition>,
    pub(super) started: Millis,
    pub(super) progress: StageProgress,
    pub(super) reported: Millis,
}

impl Engine {
    /// Makes a driver that knows nobody, and loses a member that is silent for `heartbeat_timeout`.
    pub fn new(heartbeat_timeout: Duration, options: Options) -> Self {
        Self {
            members: Members::new(heartbeat_timeout),
            scheduler: Scheduler::new(options),
            jobs: BTreeMap::new(),
            stages: BTreeMap::new(),
            attached: BTreeMap::new(),
            reported: None,
            unfinished_shards: BTreeMap::new(),
            takes: Takes::default(),
            rdds: Rdds::default(),
            shared: Shared::default(),
            registry: Arc::default(),
            next_job: 1,
            next_stage: 1,
            effects: Vec::new(),
        }
    }

    /// Knows these operators.
    pub fn knowing(mut self, registry: Arc<Registry>) -> Self {
        self.registry = registry;
        self
    }

    /// Counts jobs from `first` on. A driver that is started again must not give an id twice: executors and shards
    /// may still know the job that had it.
    pub fn counting_jobs_from(mut self, first: JobId) -> Self {
        self.next_job = first.0;
        self
    }

    /// The moment at which [`Self::on_tick`] must be called next, if the scheduler or a job waits for one.
    pub fn next_deadline(&self) -> Option<Millis> {
        let jobs = self.jobs.values().filter_map(|job| job.train.deadline());
        jobs.chain(self.scheduler.next_deadline()).min()
    }

    /// Lets time pass.
    pub fn on_tick(&mut self, now: Millis) -> Vec<Effect> {
        self.lose_silent(now);
        let commands = self.scheduler.on_tick(now);
        self.carry_out(commands, now);
        let view = self.view();
        self.do_for_all(|train| train.on_tick(&view, now), now);
        std::mem::take(&mut self.effects)
    }

    /// How many members there are.
    pub fn counts(&self) -> MemberCounts {
        MemberCounts {
            executors: self.attached.len() as u32,
            paramservers: self.members.of_role(Role::Paramserver).count() as u32,
        }
    }

    /// All members, for people.
    pub fn members(&self) -> Vec<pb::Member> {
        let member = |member: &crate::membership::Member| pb::Member {
            id: member.id.0,
            role: member.role.role().to_string(),
            name: member.name.clone(),
            address: member.address.clone(),
            slots: member.role.slots(),
            used_bytes: member.used_bytes,
        };
        self.members.iter().map(member).collect()
    }

    /// The training jobs that have not ended, for people.
    pub fn running(&self) -> Vec<pb::RunningJob> {
        let job = |(id, state): (&JobId, &JobState)| pb::RunningJob {
            job_id: id.0,
            name: state.name.clone(),
            epoch: state.train.epoch().map_or(0, |epoch| epoch.0),
            epochs: state.train.settings().epochs,
            shards: state.train.places().len() as u32,
        };
        self.jobs.iter().map(job).collect()
    }

    /// Whether nothing is kept for any job.
    #[cfg(test)]
    pub(super) fn is_clean(&self) -> bool {
        self.jobs.is_empty()
            && self.stages.is_empty()
            && self.reported.is_none()
            && self.unfinished_shards.is_empty()
            && self.takes.is_clean()
            && self.rdds.is_clean()
            && self.attached.values().all(BTreeMap::is_empty)
            && self.scheduler.is_clean()
    }

    pub(super) fn view(&self) -> ClusterView {
        let slots = self.attached.keys().filter_map(|id| self.members.get(*id));
        let servers = |draining: bool| {
            let servers =
                self.members.of_role(Role::Paramserver).filter(move |member| member.draining == draining);
            servers.map(|member| (member.id, member.address.clone())).collect()
        };
        ClusterView {
            slots: slots.filter(|member| !member.draining).map(|member| member.role.slots()).sum(),
            paramservers: servers(false),
            leaving: servers(true),
        }
    }

    pub(super) fn emit(&mut self, job: JobId, event: Event) {
        self.effects.push(Effect::Emit { job, event });
    }

    pub(super) fn emit_to_all(&mut self, event: &Event) {
        for job in self.jobs.keys() {
            self.effects.push(Effect::Emit { job: *job, event: event.clone() });
        }
    }

    /// Does what the scheduler wants.
    pub(super) fn carry_out(&mut self, commands: Vec<Command>, now: Millis) {
        for command in commands {
            match command {
                Command::Launch { executor, attempt, partition, speculative } => {
                    self.rdd_launched(attempt.job, speculative);
                    self.launch(executor, attempt, partition, now);
                }
                Command::Cancel { executor, attempt, reason } => self.send(
                    executor,
                    pb::task_command::Command::Cancel(pb::CancelAttempt {
                        attempt: Some(attempt.into()),
                        reason,
                    }),
                ),
                Command::StageStarted { job, stage, tasks } => {
                    let Some(state) = self.stages.get_mut(&stage) else { continue };
                    state.started = now;
                    let kind = state.kind;
                    if state.in_round {
                        self.round_started(job, stage, kind, tasks, now);
                    } else {
                        self.emit(job, Event::StageStarted { stage, kind, tasks });
                    }
                }
                Command::TaskDone { attempt, partition, executor, took, again: _ } => {
                    self.task_done(attempt, partition, executor, took, now);
                }
                Command::Retrying { attempt, .. } if self.rdds.has(attempt.job) => self.rdd_retrying(attempt),
                Command::Retrying { attempt, partition, executor, kind, message, after: _, other_runs } => {
                    if !other_runs {
                        if let Some(job) = self.jobs.get_mut(&attempt.job) {
                            job.train.on_retry();
                        }
                        self.note_progress(attempt.stage, partition, 0, now);
                    }
                    let event = Event::TaskFailed {
                        stage: attempt.stage,
                        partition,
                        attempt: attempt.attempt,
                        executor,
                        kind,
                        message,
                    };
                    self.emit(attempt.job, event);
                }
                Command::StageFinished { job, stage } if self.rdds.has(job) => {
                    self.rdd_stage_finished(stage, now);
                }
                Command::StageFinished { job, stage } => self.stage_finished(job, stage, now),
                Command::JobFailed { job, error } if self.rdds.has(job) => {
                    self.give_action_up(job, &error, now);
                }
                Command::JobFailed { job, error } => self.give_up(job, &error, now),
                Command::Waiting { job, reason } if self.rdds.has(job) => self.rdd_waiting(job, reason),
                Command::Waiting { job, reason } => self.emit(job, Event::Waiting { reason }),
                Command::GoesOn { job } if self.rdds.has(job) => self.rdd_waiting(job, String::new()),
                Command::GoesOn { job } => self.emit(job, Event::GoesOn),
                Command::StageRetried { job, stage, attempt, reason } => {
                    self.rdd_stage_retried(job);
                    tracing::warn!(%job, %stage, attempt, reason, "a stage is tried again");
                }
                Command::Excluded { executor, stage, until: _, reason } => {
                    let stage = stage.map(|stage| stage.0);
                    tracing::warn!(%executor, stage, reason, "an executor is excluded");
                }
                Command::Included { executor } => {
                    tracing::info!(%executor, "an executor is no longer excluded");
                }
                Command::Ignored { attempt, executor, why } => {
                    tracing::debug!(%attempt, %executor, %why, "ignored a report");
                }
            }
        }
    }

    pub(super) fn send(&mut self, executor: MemberId, command: pb::task_command::Command) {
        self.effects.push(Effect::Send { executor, command });
    }

    /// Where a block is, for an executor that doesn't have it.
    pub(super) fn places(&self, block: BlockId) -> Vec<pb::BlockPlace> {
        let holders = self.scheduler.holders(block).filter_map(|id| self.members.get(id));
        holders
            .map(|member| pb::BlockPlace {
                node: block.node.0,
                address: member.address.clone(),
                partition: block.partition.0,
            })
            .collect()
    }

    /// Notes how far a task is, and tells those who watch, but not too often.
    pub(super) fn note_progress(&mut self, stage: StageId, partition: Partition, done: u64, now: Millis) {
        let Some(state) = self.stages.get_mut(&stage) else { return };
        if state.in_round {
            return;
        }
        state.progress.note(partition, done);
        if now.since(state.reported) < PROGRESS_INTERVAL {
            return;
        }
        state.reported = now;
        let (done, total) = (state.progress.done(), state.progress.total());
        let (job, kind) = (state.job, state.kind);
        self.emit(job, Event::Progress { stage, kind, done, total });
    }
}

pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
