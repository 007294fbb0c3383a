use howdah_proto::{
    BlockId, JobId, StageId,
    event::{Event, StageKind},
    pb::{self, task_command},
    settings::TrainSettings,
};

use super::{
    Effect, Engine, IoRequest, IoResult,
    members::joined,
    shards::ask_request,
    state::{JobState, Stage},
};
use crate::{
    scheduler::{JobError, JobOptions, Millis, Output, StageDescription, TaskDescription},
    snapshot::same_place,
    train::{Ending, JobCommand, StageProgress, StageTask, TrainJob, operators_to_fit},
};

impl Engine {
    /// The id that the next job will have.
    pub fn next_job(&self) -> JobId {
        JobId(self.next_job)
    }

    /// A client submits a job, whose settings have been validated.
    pub fn on_submit(&mut self, name: String, settings: TrainSettings, now: Millis) -> (JobId, Vec<Effect>) {
        let job = self.next_job();
        self.next_job += 1;
        self.emit(job, Event::JobSubmitted { job, name: name.clone(), settings: Box::new(settings.clone()) });
        let there = self.members.iter().filter(|member| self.counts_on(member.id));
        let there: Vec<Event> = there.map(joined).collect();
        there.into_iter().for_each(|event| self.emit(job, event));
        let options = JobOptions {
            task_attempts: settings.task_attempts,
            executor_wait: settings.executor_wait_seconds.map(std::time::Duration::from_secs),
            ..JobOptions::default()
        };
        let to_fit = match self.taken_by_another(&settings) {
            Some(refused) => Err(refused),
            None => operators_to_fit(&self.registry, &settings.pipeline)
                .map_err(|error| Ending::Failed { error, hint: None }),
        };
        let (mut train, mut commands) = TrainJob::new(job, settings, now);
        match to_fit {
            Ok(to_fit) => train.fit_first(to_fit),
            Err(ending) => commands = train.on_given_up(ending),
        }
        self.jobs
            .insert(job, JobState { name, train, shared: None, version: 0, shard_requests: 0, rounds: None });
        let started = self.scheduler.on_job_submitted(job, job.into(), options);
        self.carry_out(started, now);
        self.do_for_job(job, commands, now);
        (job, std::mem::take(&mut self.effects))
    }

    /// Why a job can't take snapshots where it is to, if another one does that now: both would give them the same numbers,
    /// and drop each other's.
    fn taken_by_another(&self, settings: &TrainSettings) -> Option<Ending> {
        let place = &settings.snapshots.as_ref()?.location;
        let takes_there = |state: &JobState| {
            let theirs = state.train.settings().snapshots.as_ref();
            theirs.is_some_and(|theirs| same_place(&theirs.location, place))
        };
        let (job, state) = self.jobs.iter().find(|(_, state)| takes_there(state))?;
        let error = format!("job {job} ({}) takes its snapshots in {place}", state.name);
        let hint = "wait until it has ended, cancel it, or name another place in --snapshots".to_owned();
        Some(Ending::Refused { error, hint: Some(hint) })
    }

    /// A client cancels a job.
    pub fn on_cancel(&mut self, job: JobId, reason: String, now: Millis) -> Vec<Effect> {
        let commands = self.scheduler.on_job_cancelled(job, reason, now);
        self.carry_out(commands, now);
        std::mem::take(&mut self.effects)
    }

    /// Something that took time is done.
    pub fn on_io(&mut self, job: JobId, result: IoResult, now: Millis) -> Vec<Effect> {
        let view = self.view();
        match &result {
            IoResult::ShardDone { .. } => self.shard_request_ended(job),
            IoResult::SnapshotTaken(snapshot, _) => self.take_ended(job, *snapshot),
            _ => {}
        }
        let Some(state) = self.jobs.get_mut(&job) else { return std::mem::take(&mut self.effects) };
        let train = &mut state.train;
        let commands = match result {
            IoResult::Dataset(dataset) => train.on_dataset(dataset, &view, now),
            IoResult::Fitted { place, fitted } => {
                let spec = fitted.as_ref().ok().cloned();
                let commands = train.on_fitted(place, fitted, now);
                if let Some(spec) = spec {
                    self.note_fitted(job, &spec, now);
                }
                commands
            }
            IoResult::PreparedSet(set) => train.on_prepared_set(*set, &view, now),
            IoResult::Committed(committed) => train.on_committed(committed, now),
            IoResult::SnapshotsFound(found) => train.on_snapshots_found(found),
            IoResult::SnapshotRead(read) => train.on_snapshot_read(*read, now),
            IoResult::ShardDone { shard, op, result } => train.on_shard_done(shard, op, result, now),
            IoResult::Answer(ticket, Ok((answer, model))) => {
                let commands = train.on_answer(ticket, Ok(answer), now);
                if let Some(model) = model.filter(|_| commands.iter().any(JobCommand::finishes)) {
                    self.effects.push(Effect::KeepModel { job, model });
                }
                commands
            }
            IoResult::Answer(ticket, Err(error)) => train.on_answer(ticket, Err(error), now),
            IoResult::SnapshotPlanned(snapshot) => train.on_snapshot_planned(snapshot, now),
            IoResult::SnapshotTaken(snapshot, taken) => train.on_snapshot_taken(snapshot, *taken, now),
        };
        self.do_for_job(job, commands, now);
        std::mem::take(&mut self.effects)
    }

    /// The scheduler gave a job up.
    pub(super) fn give_up(&mut self, job: JobId, error: &JobError, now: Millis) {
        let ending = match error {
            JobError::Cancelled { reason, .. } => Ending::Cancelled { reason: reason.clone() },
            JobError::NoExecutor { .. } => Ending::Failed {
                error: error.to_string(),
                hint: Some("--executor-wait sets how long a job waits".to_owned()),
            },
            _ => Ending::Failed { error: error.to_string(), hint: None },
        };
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let commands = state.train.on_given_up(ending);
        self.do_for_job(job, commands, now);
    }

    /// Lets every job act, and does what it wants.
    pub(super) fn do_for_all(&mut self, act: impl Fn(&mut TrainJob) -> Vec<JobCommand>, now: Millis) {
        let commands: Vec<_> =
            self.jobs.iter_mut().map(|(job, state)| (*job, act(&mut state.train))).collect();
        for (job, commands) in commands {
            self.do_for_job(job, commands, now);
        }
    }

    /// Does what a job wants.
    pub(super) fn do_for_job(&mut self, job: JobId, commands: Vec<JobCommand>, now: Millis) {
        for command in commands {
            let Some(state) = self.jobs.get_mut(&job) else { return };
            let request = match command {
                JobCommand::ListDataset => {
                    IoRequest::ListDataset { settings: state.train.settings().clone() }
                }
                JobCommand::FindSnapshots(location) => {
                    self.look(job, location.clone(), IoRequest::FindSnapshots { location });
                    continue;
                }
                JobCommand::ReadSnapshot(location) => {
                    self.look(job, location.clone(), IoRequest::ReadSnapshot { location });
                    continue;
                }
                JobCommand::Fit(request) => IoRequest::Fit(request),
                JobCommand::CommitPrepared { location, manifest } => {
                    IoRequest::CommitPrepared { location, manifest }
                }
                JobCommand::MakeShards(make) => {
                    state.shard_requests += make.shards.len() as u32;
                    IoRequest::MakeShards(make)
                }
                JobCommand::Shard(io) => {
                    state.shard_requests += 1;
                    IoRequest::Shard(io)
                }
                JobCommand::Ask(ticket, question) => {
                    let question = ask_request(&state.train, &question);
                    IoRequest::Ask { ticket, places: state.train.places(), question }
                }
                JobCommand::Untag(tag) => IoRequest::Untag { places: state.train.places(), tag },
                JobCommand::Snapshot(request) => {
                    self.takes.begin(job, request.manifest.snapshot, &request.location);
                    IoRequest::Snapshot(request)
                }
                JobCommand::PutPlaces(places) => {
                    self.put_places(job, places.clone());
                    self.drop_replaced(job, places);
                    continue;
                }
                JobCommand::Round { epoch, tasks } => {
                    self.submit_stage(job, StageKind::Train { epoch }, &tasks, true, now);
                    continue;
                }
                JobCommand::DropStage(kind) => {
                    self.drop_stage(job, kind, now);
                    continue;
                }
                JobCommand::RoundsDone(epoch) => {
                    self.rounds_done(job, epoch, now);
                    continue;
                }
                JobCommand::ServeFiles(files) => {
                    self.effects.push(Effect::ServeFiles { job, files });
                    continue;
                }
                JobCommand::Share(shared) => {
                    state.shared = Some(*shared);
                    state.version += 1;
                    continue;
                }
                JobCommand::Emit(event) => {
                    self.emit(job, event);
                    continue;
                }
                JobCommand::Stage { kind, tasks } => {
                    match kind {
                        StageKind::Prepare => self.prepare_shared(job, tasks, now),
                        StageKind::Fit { operator } => self.fit_shared(job, operator, tasks, now),
                        _ => self.submit_stage(job, kind, &tasks, false, now),
                    }
                    continue;
                }
                JobCommand::End(ending) => {
                    self.end(job, *ending, now);
                    continue;
                }
            };
            self.effects.push(Effect::Io { job, request });
        }
    }

    pub(super) fn submit_stage(
        &mut self,
        job: JobId,
        kind: StageKind,
        tasks: &[StageTask],
        in_round: bool,
        now: Millis,
    ) {
        let Some(state) = self.jobs.get(&job) else { return };
        let stage = StageId(self.next_stage);
        self.next_stage += 1;
        let context = state.train.blocks_context();
        self.scheduler.on_blocks_shared(job, context);
        let total = tasks.iter().map(|task| state.train.work(kind, task.partition)).sum();
        let progress = StageProgress::new(total);
        let partitions = tasks.iter().map(|task| task.partition).collect();
        self.stages
            .insert(stage, Stage { job, kind, in_round, partitions, started: now, progress, reported: now });
        let block = |task: &StageTask| {
            let node = task.prefers.into_iter();
            node.map(|node| BlockId { context, node, partition: task.partition }).collect()
        };
        let tasks = tasks
            .iter()
            .map(|task| TaskDescription { partition: task.partition, prefers: block(task), kept_at: None })
            .collect();
        // The job submits a stage when what it needs is there: it orders them itself.
        let description = StageDescription { stage, parents: Vec::new(), tasks, output: Output::Returned };
        let commands = self.scheduler.on_stage_submitted(job, description, now);
        self.carry_out(commands, now);
    }

    fn end(&mut self, job: JobId, ending: Ending, now: Millis) {
        let Some(state) = self.jobs.remove(&job) else { return };
        self.takes.forget_waiting(job);
        self.stages.retain(|_, stage| stage.job != job);
        let by_place = matches!(ending, Ending::Refused { .. });
        let event = match ending {
            Ending::Finished(report) => {
                let commands = self.scheduler.on_job_finished(job, now);
                self.carry_out(commands, now);
                Event::JobFinished(report)
            }
            Ending::Prepared(report) => {
                let commands = self.scheduler.on_job_finished(job, now);
                self.carry_out(commands, now);
                Event::JobPrepared(Box::new(report))
            }
            Ending::Failed { error, hint } | Ending::Refused { error, hint } => {
                let commands = self.scheduler.on_job_cancelled(job, error.clone(), now);
                self.carry_out(commands, now);
                Event::JobFailed { error, hint, by_place }
            }
            Ending::Cancelled { reason } => Event::JobCancelled { reason },
        };
        let closed = self.scheduler.on_context_closed(job.into(), now);
        self.carry_out(closed, now);
        let told: Vec<_> =
            self.attached.iter_mut().filter_map(|(id, told)| told.remove(&job).map(|_| *id)).collect();
        for executor in told {
            self.send(executor, task_command::Command::DropJob(pb::DropJob { job_id: job.0 }));
        }
        if state.shard_requests > 0 {
            self.unfinished_shards.insert(job, state.shard_requests);
        } else if !state.train.places().is_empty() {
            self.drop_shards(job);
        }
        self.emit(job, event);
        self.leave_shared(job, now);
    }
}
