//! A small training job for tests: two classes, batches of 10 pictures.

use howdah_executor::learn::Summary;
use howdah_paramserver::client::ShardMarks;
use howdah_proto::{
    Epoch, JobId, MemberId, Partition, ShardIndex, Step,
    event::{ShardReport, StageKind},
    fence::TrainTask,
    pb::{self, attempt_succeeded::Result as TaskResult},
    settings::{
        Compression, Correction, DataSettings, Learning, Mode, NetworkSettings, Pipeline, PushEvery,
        Selection, SnapshotSettings, TrainSettings, UpdateRule, Updates,
    },
};

use super::{Answer, ClusterView, Collected, JobCommand, OpId, StageTask, TrainJob};
use crate::{
    dataset::{Dataset, PictureFile},
    scheduler::Millis,
    snapshot::Manifest,
};

pub(crate) const FEATURES: u32 = 4;
/// That of the operator that tests fit.
pub(crate) const EPSILON: f32 = 1e-3;
pub(crate) const SERVER: &str = "http://ps:1";

pub(crate) fn settings(epochs: u32) -> TrainSettings {
    TrainSettings {
        data: DataSettings::Synthetic { pictures: 20 },
        selection: Selection::default(),
        pipeline: Pipeline::new(Vec::new(), Vec::new()),
        network: NetworkSettings { hidden: vec![3], dropout: 0.0, input_dropout: 0.0 },
        epochs,
        batch: 10,
        learning: Learning::default(),
        updates: Updates::Gradients,
        rule: UpdateRule::Sgd { learning_rate: 0.1 },
        correction: Correction::default(),
        mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
        compression: Compression::default(),
        seed: 1,
        validation: None,
        partitions: Some(2),
        shards: None,
        shard_copies: 1,
        snapshots: None,
        resume: None,
        prepare: None,
        max_bad_pictures: 3,
        task_attempts: 4,
        executor_wait_seconds: None,
    }
}

/// So many training and held-out pictures, of two classes.
pub(crate) fn dataset(train: usize, test: usize) -> Dataset {
    let file = |index: usize| PictureFile {
        path: format!("/pictures/{index}.png").into(),
        relative: format!("{index}.png"),
        label: (index % 2) as u32,
        bytes: 1,
        modified_unix_ns: 0,
        part: None,
    };
    Dataset {
        classes: vec!["cat".to_owned(), "dog".to_owned()],
        train: (0..train).map(file).collect(),
        test: (train..train + test).map(file).collect(),
        skipped: Vec::new(),
    }
}

/// Two slots and one parameter server.
pub(crate) fn cluster() -> ClusterView {
    ClusterView { slots: 2, paramservers: vec![(MemberId(9), SERVER.to_owned())], leaving: Vec::new() }
}

pub(crate) fn computed(samples: u64, skipped: usize) -> TaskResult {
    let file = |index| pb::SkippedFile {
        path: format!("bad{index}.png"),
        reason: "it is torn".to_owned(),
        index: index as u32,
    };
    TaskResult::Computed(pb::BlockComputed {
        samples,
        bytes: samples,
        skipped: (0..skipped).map(file).collect(),
        features: if samples > 0 { FEATURES } else { 0 },
    })
}

/// What a training task that takes all its steps reports: half of the samples right, a loss of 1 each.
pub(crate) fn trained(samples: u64, batch: u32) -> TaskResult {
    TaskResult::Trained(pb::EpochTrained {
        first_step: 1,
        last_step: howdah_executor::task::steps(samples, batch),
        samples,
        loss_sum: samples as f64,
        correct: samples / 2,
        ..pb::EpochTrained::default()
    })
}

/// An evaluation in which all are right, half of them in each class.
pub(crate) fn evaluated(samples: u64) -> TaskResult {
    evaluation(&summary([[samples / 2, 0], [0, samples - samples / 2]], 0.25))
}

/// What a task reports that evaluated so.
pub(crate) fn evaluation(summary: &Summary) -> TaskResult {
    TaskResult::Evaluated(pb::BlockEvaluated { summary: Some(summary.into()) })
}

/// The summary of an evaluation with this confusion matrix, in which the class that is not named has the probability
/// `other`.
pub(crate) fn summary(confusion: [[u64; 2]; 2], other: f32) -> Summary {
    let mut summary = Summary::new(2);
    for (truth, row) in (0..).zip(confusion) {
        for (count, probabilities) in row.into_iter().zip([[1.0 - other, other], [other, 1.0 - other]]) {
            (0..count).for_each(|_| summary.add(truth, &probabilities).unwrap());
        }
    }
    summary
}

/// What `shards` shards say that have applied so many batches.
pub(crate) fn collected(shards: usize, batches: u64) -> Collected {
    let shard = ShardReport { batches_applied: batches, ..ShardReport::default() };
    Collected { shards: vec![shard; shards] }
}

/// The marks of one shard that has every step of both partitions in each epoch up to `epoch`.
pub(crate) fn all_marks(epoch: u32) -> Answer {
    let tasks = (1..=epoch).flat_map(|epoch| [0, 1].map(|partition| (Epoch(epoch), Partition(partition))));
    let marks = tasks.map(|(epoch, partition)| (TrainTask { epoch, partition }, Step(1)));
    Answer::Marks(vec![ShardMarks { marks: marks.collect(), ..ShardMarks::default() }])
}

pub(crate) const TRAIN_1: StageKind = StageKind::Train { epoch: Epoch(1) };

/// The stages in a job's commands.
pub(crate) fn stages(commands: &[JobCommand]) -> Vec<(StageKind, Vec<StageTask>)> {
    let stage = |command: &JobCommand| match command {
        JobCommand::Stage { kind, tasks } => Some((*kind, tasks.clone())),
        _ => None,
    };
    commands.iter().filter_map(stage).collect()
}

/// The snapshot that is to be taken, as far as it is known.
pub(crate) fn snapshot(commands: &[JobCommand]) -> Option<Manifest> {
    commands.iter().find_map(|command| match command {
        JobCommand::Snapshot(request) => Some(request.manifest.clone()),
        _ => None,
    })
}

pub(crate) fn snapshots(every_seconds: u32) -> Option<SnapshotSettings> {
    Some(SnapshotSettings { location: "/runs/a/snapshots".to_owned(), every_seconds, goes_on: false })
}

/// A job whose pictures are listed and being prepared: two training partitions of 10 pictures, and as many
/// held-out ones.
pub(crate) fn preparing(settings: TrainSettings, test: usize) -> TrainJob {
    let (mut job, _) = TrainJob::new(JobId(1), settings, Millis(0));
    job.on_dataset(Ok(dataset(20, test)), &cluster(), Millis(1_000));
    job
}

impl TrainJob {
    /// Hands in the result of a task.
    pub(crate) fn done(&mut self, kind: StageKind, partition: u32, result: &TaskResult) -> Vec<JobCommand> {
        self.on_task_done(kind, Partition(partition), result, &cluster(), Millis(0))
    }

    /// Lets the only shard be made.
    pub(crate) fn make_shards(&mut self, now: Millis) -> Vec<JobCommand> {
        self.on_shard_done(ShardIndex(0), OpId(1), Ok(()), now)
    }

    /// Answers the question in `commands`.
    pub(crate) fn answer(&mut self, commands: &[JobCommand], answer: Answer, now: Millis) -> Vec<JobCommand> {
        let ticket = commands.iter().find_map(|command| match command {
            JobCommand::Ask(ticket, _) => Some(*ticket),
            _ => None,
        });
        self.on_answer(ticket.unwrap(), Ok(answer), now)
    }

    /// Answers the question for marks with those of a shard that has every step up to `epoch`, and lets the
    /// weights be kept.
    pub(crate) fn close(&mut self, commands: &[JobCommand], epoch: u32, now: Millis) -> Vec<JobCommand> {
        let asked = self.answer(commands, all_marks(epoch), now);
        self.answer(&asked, Answer::Tagged, now)
    }

    /// Does the tasks of a stage, and finishes it.
    pub(crate) fn do_stage(
        &mut self,
        kind: StageKind,
        partitions: &[u32],
        result: &TaskResult,
        now: Millis,
    ) -> Vec<JobCommand> {
        let mut commands = Vec::new();
        for partition in partitions {
            commands.extend(self.done(kind, *partition, result));
        }
        commands.extend(self.on_stage_finished(kind, now));
        commands
    }
}

/// A job that trains its first epoch.
pub(crate) fn training(settings: TrainSettings, test: usize) -> TrainJob {
    let mut job = preparing(settings, test);
    let partitions: &[u32] = if test > 0 { &[0, 1, 2, 3] } else { &[0, 1] };
    job.do_stage(StageKind::Prepare, partitions, &computed(10, 0), Millis(2_000));
    job.make_shards(Millis(2_000));
    job
}
