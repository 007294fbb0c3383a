//! How a job goes on from a snapshot: of an earlier run at its start, of its own when its shards went back.

use std::collections::BTreeMap;

use howdah_proto::{
    Epoch, Step,
    event::{Event, StageKind},
    fence::TrainTask,
    pb,
};

use super::{Durable, JobCommand, PartitionUse, Position, TrainJob, job::Phase};
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
                let hint = "--resume takes the folder of a run, and the settings must be those of the run";
                return self.fail(format!("can't resume: {error}"), Some(hint.to_owned()));
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
            location: self.settings.resume.clone().unwrap_or_default(),
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
        self.streaming.insert(epoch);
        commands.push(JobCommand::Stage { kind: StageKind::Train { epoch }, tasks });
        commands
    }

    /// Begins an epoch with all its tasks, or its first round.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, now: Millis) -> Vec<JobCommand> {
        self.position.epoch = epoch;
        self.epochs.start(epoch, now);
        if self.settings.mode.in_rounds() {
            return self.next_round(now);
        }
        self.streaming.insert(epoch);
        let tasks = self.tasks_of(PartitionUse::Train);
        vec![JobCommand::Stage { kind: StageKind::Train { epoch }, tasks }]
    }
}
