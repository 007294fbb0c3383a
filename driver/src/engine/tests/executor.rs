use std::collections::{BTreeMap, BTreeSet};

use howdah_executor::{
    rdd::{GatherContext, Operator, PictureMeta, Record},
    vision::Standardise,
};
use howdah_proto::{AttemptId, JobId, Partition, SessionId, event::StageKind, pb};
use pb::{attempt_succeeded::Result as TaskResult, task_command::Command, task_spec::Work};

use crate::train::fixture::{EPSILON, FEATURES, computed, evaluated, trained};

/// An executor as the engine sees it; it answers when it is told to.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) session: SessionId,
    pub(super) address: String,
    pub(super) slots: usize,
    /// The jobs that it was told of, and whether their training context came.
    jobs: BTreeMap<JobId, bool>,
    /// Where it thinks that the shards of jobs are.
    pub(super) places: BTreeMap<JobId, Vec<pb::ShardPlace>>,
    pub(super) running: BTreeMap<AttemptId, pb::TaskSpec>,
    cancelled: BTreeSet<AttemptId>,
    pub(super) shutdowns: u32,
}

impl Executor {
    pub(super) fn new(session: SessionId, address: String, slots: usize) -> Self {
        Self {
            session,
            address,
            slots,
            jobs: BTreeMap::new(),
            places: BTreeMap::new(),
            running: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            shutdowns: 0,
        }
    }

    /// Takes a command, as the worker of a real executor does.
    pub(super) fn take(&mut self, command: Command) {
        match command {
            Command::PutPlaces(put) => {
                assert_eq!(self.jobs.get(&JobId(put.job_id)), Some(&true), "it does not know the job");
                self.places.insert(JobId(put.job_id), put.shards);
            }
            Command::PutJob(put) => {
                self.jobs.insert(JobId(put.job_id), put.train.is_some());
                self.places.extend(put.train.map(|train| (JobId(put.job_id), train.shards)));
            }
            Command::Launch(launch) => {
                for task in launch.tasks {
                    self.launch(task);
                }
            }
            Command::Cancel(cancel) => {
                let attempt = cancel.attempt.try_into().unwrap();
                if self.running.contains_key(&attempt) {
                    self.cancelled.insert(attempt);
                }
            }
            Command::DropJob(drop) => {
                let job = JobId(drop.job_id);
                assert!(self.jobs.remove(&job).is_some(), "{job} was dropped twice, or never put");
                self.cancelled.extend(self.running.keys().filter(|attempt| attempt.job == job));
            }
            Command::PutNodes(_)
            | Command::PutMapOutputs(_)
            | Command::ForgetNode(_)
            | Command::DropContext(_) => {
                panic!("a training job has none")
            }
            Command::Shutdown(_) => {
                assert!(self.running.is_empty(), "it has {:?}", self.running.keys());
                self.shutdowns += 1;
            }
        }
    }

    fn launch(&mut self, task: pb::TaskSpec) {
        let attempt: AttemptId = task.attempt.try_into().unwrap();
        assert_eq!(self.shutdowns, 0, "a task came after the shutdown");
        let told = self.jobs.get(&attempt.job).copied();
        let needs_context = !matches!(task.work, Some(Work::Compute(_) | Work::Fit(_) | Work::Save(_)));
        assert!(told.is_some_and(|has_context| has_context || !needs_context), "{attempt}: told {told:?}");
        assert_eq!(self.running.insert(attempt, task), None, "{attempt} was launched twice");
        assert!(self.running.len() <= self.slots, "more tasks than slots");
    }

    /// Ends an attempt well, unless it was cancelled.
    pub(super) fn end(&mut self, attempt: AttemptId, batch: u32) -> pb::task_update::Update {
        let task = self.running.remove(&attempt).unwrap();
        if self.cancelled.remove(&attempt) {
            return failed(attempt, pb::attempt_failed::Kind::Cancelled);
        }
        succeeded(attempt, result_of(&task, batch))
    }

    pub(super) fn is_cancelled(&self, attempt: AttemptId) -> bool {
        self.cancelled.contains(&attempt)
    }

    /// Ends an attempt in this way, unless it was cancelled.
    pub(super) fn give_up(
        &mut self,
        attempt: AttemptId,
        kind: pb::attempt_failed::Kind,
    ) -> pb::task_update::Update {
        self.running.remove(&attempt);
        let cancelled = self.cancelled.remove(&attempt);
        failed(attempt, if cancelled { pb::attempt_failed::Kind::Cancelled } else { kind })
    }

    /// Ends an attempt by an error of its own.
    pub(super) fn fail(&mut self, attempt: AttemptId) -> pb::task_update::Update {
        self.running.remove(&attempt);
        let kind = match self.cancelled.remove(&attempt) {
            true => pb::attempt_failed::Kind::Cancelled,
            false => pb::attempt_failed::Kind::Task,
        };
        failed(attempt, kind)
    }
}

/// The right result of a task.
pub(super) fn result_of(task: &pb::TaskSpec, batch: u32) -> TaskResult {
    let pictures = match &task.prepared {
        Some(block) => block.end_key - block.first_key,
        None => task.files.len() as u64,
    };
    match task.work.clone().unwrap() {
        Work::Round(work) => {
            let samples = (work.last_step - work.first_step + 1) * u64::from(batch);
            let steps = (work.first_step, work.last_step);
            let TaskResult::Trained(result) = trained(samples, batch) else { panic!() };
            TaskResult::Trained(pb::EpochTrained { first_step: steps.0, last_step: steps.1, ..result })
        }
        Work::Compute(_) => computed(pictures, 0),
        Work::Train(work) => trained(work.samples, batch),
        Work::Evaluate(_) => evaluated(pictures),
        Work::Fit(work) => gathered(&task.files[..work.pictures as usize]),
        Work::Save(_) => saved(task),
        Work::Rdd(_) => panic!("a training job has none"),
    }
}

/// That all pictures of a task were written as one shard.
fn saved(task: &pb::TaskSpec) -> TaskResult {
    let rows = task.files.len() as u64;
    let header = pb::BlockHeader { rows, features: FEATURES, views: 1, ..Default::default() };
    let [first_key, last_key] =
        [task.files.first(), task.files.last()].map(|file| u64::from(file.unwrap().index));
    let shard = pb::SavedSamples {
        file: format!("{:05}-1-0000.samples", task.partition),
        bytes: 64 + rows * (4 * u64::from(FEATURES) + 12),
        shard: Some(pb::PreparedShard {
            header: Some(header),
            first_key,
            last_key,
            checksum: task.partition,
        }),
        values: rows * u64::from(FEATURES),
        mean: f64::from(task.partition),
        squares: 0.0,
    };
    TaskResult::Saved(pb::BlockSaved { shards: vec![shard] })
}

/// What is gathered from pictures whose features are made of their places in the listing.
pub(super) fn gathered(files: &[pb::FileEntry]) -> TaskResult {
    let mut fit = Standardise::new(EPSILON, None).fit().unwrap();
    let context = GatherContext { seed: 0, records: 0 };
    for file in files {
        let meta = PictureMeta { key: u64::from(file.index), label: 0 };
        let values = (1..=FEATURES).map(|feature| (file.index * feature) as f32).collect();
        fit.gather(&Record::Features { meta, values }, &context).unwrap();
    }
    let (summary, records) = (fit.summary().into(), files.len() as u64);
    TaskResult::Gathered(pb::FitGathered { summary, records })
}

pub(super) fn succeeded(attempt: AttemptId, result: TaskResult) -> pb::task_update::Update {
    let attempt = Some(attempt.into());
    pb::task_update::Update::Succeeded(pb::AttemptSucceeded { attempt, stored: vec![], result: Some(result) })
}

fn failed(attempt: AttemptId, kind: pb::attempt_failed::Kind) -> pb::task_update::Update {
    let (attempt, message) = (Some(attempt.into()), "it broke".to_owned());
    pb::task_update::Update::Failed(pb::AttemptFailed { attempt, kind: kind.into(), message, fetch: None })
}

/// What a task does, and on what.
pub(super) fn key_of(task: &pb::TaskSpec) -> (StageKind, Partition) {
    let epoch = |epoch| howdah_proto::Epoch(epoch);
    let kind = match task.work.clone().unwrap() {
        Work::Round(work) => StageKind::Train { epoch: epoch(work.epoch) },
        Work::Compute(_) => StageKind::Prepare,
        Work::Fit(work) => StageKind::Fit { operator: work.operator },
        Work::Save(_) => StageKind::Save,
        Work::Train(work) => StageKind::Train { epoch: epoch(work.epoch) },
        Work::Evaluate(work) => StageKind::Evaluate { epoch: epoch(work.tag as u32) },
        Work::Rdd(_) => panic!("a training job has none"),
    };
    (kind, Partition(task.partition))
}
