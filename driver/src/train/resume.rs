//! How a job goes on from a snapshot: of an earlier run at its start, of its own when its shards went back.

use std::collections::BTreeMap;

use howdah_proto::{
    Epoch, Step,
    event::{Event, StageKind},
    fence::TrainTask,
    pb,
};

use super::{Durable, JobCommand, PartitionUse, Position, StageTask, TrainJob, job::Phase};
use crate::{
    scheduler::Millis,
    snapshot::{Newest, SnapshotError},
};

impl TrainJob {
    /// The newest whole snapshot of the run to go on with was read, or could not be.
    pub fn on_snapshot_read(&mut self, read: Result<Newest, SnapshotError>, now: Millis) -> Vec<JobCommand> {
        if self.phase != Phase::Listing {
            return Vec::new();
        }
        let read = read.and_then(|newest| newest.manifest.fits(&self.settings).map(|()| newest));
        let Newest { manifest, folder, last } = match read {
            Ok(read) => read,
            Err(error) => {
                return self.refuse(format!("can't resume: {error}"), error.hint().map(str::to_owned));
            }
        };
        if let Some(fitted) = &manifest.fitted {
            self.take_fitted(fitted);
        }
        let durable = Durable {
            snapshot: manifest.snapshot,
            folder,
            saved: manifest.shards.iter().map(pb::SavedShard::from).collect(),
            position: Position { epoch: manifest.epoch, round: manifest.round },
            progress: manifest.progress.clone(),
        };
        self.resume_from(durable, last);
        self.saves.retired = manifest.retired;
        self.epochs.go_back(&manifest.progress, now);
        let lost = self.kept_weights_go_back();
        self.tally.epochs_before = manifest.progress.finished.last().map_or(0, |last| last.epoch.0);
        let event = Event::Resumed {
            snapshot: manifest.snapshot,
            epoch: manifest.epoch,
            location: self.goes_on_from().unwrap_or_default().to_owned(),
        };
        self.resumed = Some(Box::new(manifest));
        let mut commands = vec![JobCommand::Emit(event)];
        commands.extend(lost);
        commands.push(JobCommand::ListDataset);
        commands
    }

    /// Checks that the pictures are those of the snapshot.
    pub(super) fn check_pictures(&mut self) -> Vec<JobCommand> {
        match &self.resumed {
            Some(manifest) if manifest.fingerprint != self.pictures.fingerprint => {
                let error = "can't resume: the pictures are not those that the snapshot was taken with";
                self.fail(error.to_owned(), Some("the same files must be in the same folders".to_owned()))
            }
            _ => Vec::new(),
        }
    }

    /// Checks that as many pictures of each partition can be used as when the snapshot was taken: with others, the steps
    /// that its shards have are not the job's.
    pub(super) fn check_usable(&mut self) -> Vec<JobCommand> {
        let usable = |partition| self.pictures.samples.get(&partition).copied().unwrap_or(0);
        let mut before = self.resumed.iter().flat_map(|manifest| manifest.samples.iter().copied());
        let Some((partition, then)) = before.find(|(partition, then)| usable(*partition) != *then) else {
            return Vec::new();
        };
        let now = usable(partition);
        let error =
            format!("can't resume: partition {partition} had {then} usable pictures, and has {now} now");
        let hint = "the same pictures must be usable as in the run: its event log names those that were not";
        self.fail(error, Some(hint.to_owned()))
    }

    /// Begins at the job's position, with the tasks or the round that the shards lack.
    pub(super) fn begin(&mut self, now: Millis) -> Vec<JobCommand> {
        let epoch = self.position.epoch;
        self.epochs.cannot_evaluate_before(epoch, now);
        self.epochs.start(epoch, now);
        let mut commands = self.report_epochs();
        if self.settings.mode.in_rounds() {
            commands.extend(self.next_round(now));
            return commands;
        }
        let marks: BTreeMap<TrainTask, Step> =
            self.resumed.iter().flat_map(|manifest| manifest.marks.iter().copied()).collect();
        let steps = self.train_steps();
        let mut tasks = self.tasks_of(PartitionUse::Train);
        tasks.retain(|task| {
            let mark = marks.get(&TrainTask { epoch, partition: task.partition });
            mark.map_or(0, |mark| mark.0) < steps.get(&task.partition).copied().unwrap_or(0)
        });
        if tasks.is_empty() {
            commands.extend(self.close_epoch(now));
            return commands;
        }
        commands.push(self.stream(epoch, tasks));
        commands
    }

    /// Begins the next epoch with all its tasks, or its first round, once it is decided what is in a snapshot.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, now: Millis) -> Vec<JobCommand> {
        if self.saves.hold_next_epoch() {
            return Vec::new();
        }
        self.position.epoch = epoch;
        self.epochs.start(epoch, now);
        if self.settings.mode.in_rounds() {
            return self.next_round(now);
        }
        if self.saves.due.is_none() {
            // None could be taken in the epoch before.
            self.plan_next(now);
        }
        let tasks = self.tasks_of(PartitionUse::Train);
        vec![self.stream(epoch, tasks)]
    }

    /// Runs tasks of an epoch as a stream.
    pub(super) fn stream(&mut self, epoch: Epoch, tasks: Vec<StageTask>) -> JobCommand {
        self.streaming.insert(epoch, tasks.iter().map(|task| task.partition).collect());
        JobCommand::Stage { kind: StageKind::Train { epoch }, tasks }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{JobId, Partition, settings::TrainSettings};

    use super::*;
    use crate::{
        snapshot::Manifest,
        train::{Ending, fixture::*},
    };

    /// Goes on from a snapshot, when so many of the ten pictures of each partition can be used; gives the error.
    fn resumed(manifest: Manifest, usable: [u64; 2]) -> Option<String> {
        let location = "/runs/a/snapshots".to_owned();
        let settings = TrainSettings { resume: Some(location.clone()), ..manifest.settings.clone() };
        let (mut job, _) = TrainJob::new(JobId(2), settings, Millis(0));
        let newest = Newest { folder: location, last: manifest.snapshot, manifest };
        job.on_snapshot_read(Ok(newest), Millis(0));
        job.on_dataset(Ok(dataset(20, 0)), &cluster(), Millis(0));
        for (partition, samples) in (0..).zip(usable) {
            job.done(StageKind::Prepare, partition, &computed(samples, 10 - samples as usize));
        }
        let commands = job.on_stage_finished(StageKind::Prepare, Millis(0));
        commands.into_iter().find_map(|command| match command {
            JobCommand::End(ending) => match *ending {
                Ending::Failed { error, .. } => Some(error),
                other => panic!("{other:?}"),
            },
            _ => None,
        })
    }

    #[test]
    fn a_run_does_not_go_on_with_more_or_fewer_pictures() {
        let mut job = preparing(TrainSettings { snapshots: snapshots(60), ..settings(2) }, 0);
        job.done(StageKind::Prepare, 0, &computed(10, 0));
        job.done(StageKind::Prepare, 1, &computed(9, 1));
        job.on_stage_finished(StageKind::Prepare, Millis(0));
        job.make_shards(Millis(0));
        let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(0));
        let manifest = snapshot(&job.close(&done, 1, Millis(0))).unwrap();
        assert_eq!(manifest.samples, [(Partition(0), 10), (Partition(1), 9)]);
        let error = |text: &str| Some(format!("can't resume: partition {text} now"));
        assert_eq!(resumed(manifest.clone(), [10, 9]), None);
        assert_eq!(resumed(manifest.clone(), [8, 9]), error("0 had 10 usable pictures, and has 8"));
        assert_eq!(resumed(manifest.clone(), [10, 10]), error("1 had 9 usable pictures, and has 10"));
        let older = Manifest { samples: Vec::new(), ..manifest };
        assert_eq!(resumed(older, [10, 10]), None, "it doesn't say how many there were");
    }
}
