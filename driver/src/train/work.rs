use std::collections::BTreeMap;

use howdah_executor::{rdd::Views, task::steps};
use howdah_proto::{Partition, event::StageKind, pb};

use super::{PartitionUse, StageTask, TrainJob, rounds::RoundTask, training::tag_of};

impl TrainJob {
    /// Steps that a partition has in an epoch if all its pictures can be used, at most.
    pub(super) fn planned_steps(&self) -> u64 {
        let largest = self.listed_to_train().map(|(_, pictures)| pictures).max();
        steps(largest.unwrap_or(0), self.settings.batch)
    }

    /// The training partitions with the pictures that are listed for each.
    pub(super) fn listed_to_train(&self) -> impl Iterator<Item = (Partition, u64)> {
        self.pictures.cut.iter().flat_map(|cut| {
            let train = cut.partitions().filter(|(_, role)| *role == PartitionUse::Train);
            train.map(|(partition, _)| (partition, cut.files(partition).len() as u64))
        })
    }

    /// The training partitions with the pictures of each that can be used.
    pub(super) fn usable_to_train(&self) -> impl Iterator<Item = (Partition, u64)> {
        self.listed_to_train().map(|(partition, _)| {
            let usable = self.pictures.samples.get(&partition).copied();
            (partition, usable.unwrap_or(0))
        })
    }

    /// How much work the task on a partition is: pictures to prepare or evaluate, or steps to train.
    pub fn work(&self, kind: StageKind, partition: Partition) -> u64 {
        let samples = self.pictures.samples.get(&partition).copied();
        match kind {
            StageKind::Train { .. } if self.settings.mode.in_rounds() => {
                self.round_task(partition).map_or(0, |task| task.last)
            }
            StageKind::Train { .. } => steps(samples.unwrap_or(0), self.settings.batch),
            StageKind::Fit { .. } => self.fit_pictures(partition),
            StageKind::Save => samples.unwrap_or(0),
            StageKind::Prepare | StageKind::Evaluate { .. } => {
                self.pictures.cut.as_ref().map_or(0, |cut| self.expected(&cut.files(partition)))
            }
        }
    }

    /// The part of a task's specification that the job knows: its pictures and what to do with them.
    pub fn task(&self, kind: StageKind, partition: Partition) -> (Vec<pb::FileEntry>, pb::task_spec::Work) {
        use pb::task_spec::Work;
        let node = self.features.0;
        let work = match kind {
            StageKind::Fit { operator } => Work::Fit(self.fit_task(operator, partition)),
            StageKind::Prepare => Work::Compute(pb::ComputeBlock { node }),
            StageKind::Save => Work::Save(self.save_task(self.features)),
            StageKind::Train { epoch } => {
                let samples = self.pictures.samples.get(&partition).copied().unwrap_or(0);
                match self.round_task(partition).zip(self.round.as_ref()) {
                    None => Work::Train(pb::TrainEpoch { node, epoch: epoch.0, samples }),
                    Some((task, round)) => Work::Round(pb::TrainRound {
                        node,
                        epoch: epoch.0,
                        samples,
                        round: Some(round.part.into()),
                        first_step: task.first,
                        last_step: task.last,
                    }),
                }
            }
            StageKind::Evaluate { epoch } => Work::Evaluate(pb::EvaluateBlock { node, tag: tag_of(epoch) }),
        };
        (self.files(partition), work)
    }

    /// Which views of its pictures the block of a partition has.
    pub fn views(&self, partition: Partition) -> Views {
        match self.use_of(partition) {
            Some(PartitionUse::Validation | PartitionUse::Test) => Views::of_classified(&self.pipeline),
            _ => Views::of_training(&self.pipeline, self.settings.selection_seed()),
        }
    }

    fn round_task(&self, partition: Partition) -> Option<RoundTask> {
        let round = self.round.as_ref()?;
        round.tasks.iter().find(|task| task.partition == partition).copied()
    }

    /// What executors are told of the pictures of a partition, or of the shards that have them.
    pub(super) fn files(&self, partition: Partition) -> Vec<pb::FileEntry> {
        let pictures = self.pictures.cut.as_ref().map_or(0..0, |cut| cut.files(partition));
        let range = self.shards_of(&pictures).unwrap_or(pictures);
        let files = self.pictures.files.get(range.clone()).unwrap_or_default();
        let entries = files.iter().zip(range).map(|(file, index)| pb::FileEntry {
            index: index as u32,
            path: file.path.to_string_lossy().into_owned(),
            label: file.label,
            bytes: file.bytes,
            modified_unix_ns: file.modified_unix_ns,
            part: file.part.as_ref().map(Into::into),
        });
        entries.collect()
    }

    /// The steps of each training partition in an epoch, of those that have samples.
    pub(super) fn train_steps(&self) -> BTreeMap<Partition, u64> {
        let tasks = self.tasks_of(PartitionUse::Train);
        let steps = |samples: u64| steps(samples, self.settings.batch);
        let samples = |partition| self.pictures.samples.get(&partition).copied().unwrap_or(0);
        tasks.iter().map(|task| (task.partition, steps(samples(task.partition)))).collect()
    }

    /// Into how many partitions the training pictures are cut.
    pub(super) fn train_partitions(&self) -> u32 {
        let roles = self.pictures.cut.iter().flat_map(|cut| cut.partitions());
        roles.filter(|(_, role)| *role == PartitionUse::Train).count() as u32
    }

    /// The tasks over all partitions of a use that have samples.
    pub(super) fn tasks_of(&self, wanted: PartitionUse) -> Vec<StageTask> {
        let Some(cut) = &self.pictures.cut else { return Vec::new() };
        cut.partitions()
            .filter(|(partition, role)| {
                *role == wanted && self.pictures.samples.get(partition).is_some_and(|samples| *samples > 0)
            })
            .map(|(partition, _)| StageTask { partition, prefers: Some(self.block) })
            .collect()
    }

    /// What the pictures of a partition are for.
    pub(super) fn use_of(&self, partition: Partition) -> Option<PartitionUse> {
        let mut roles = self.pictures.cut.iter().flat_map(|cut| cut.partitions());
        roles.find(|(of, _)| *of == partition).map(|(_, role)| role)
    }

    /// Training pictures that can be used.
    pub(super) fn train_samples(&self) -> u64 {
        let tasks = self.tasks_of(PartitionUse::Train);
        tasks.iter().filter_map(|task| self.pictures.samples.get(&task.partition)).sum()
    }
}
