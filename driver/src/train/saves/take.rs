use std::time::Duration;

use howdah_proto::{
    Epoch, SnapshotId,
    fence::TrainTask,
    settings::{Course, Mode, SnapshotSettings, TrainSettings},
};

use super::{CutKind, SnapshotRequest, state::Taking};
use crate::{
    scheduler::Millis,
    snapshot::{AheadOf, Manifest},
    train::{JobCommand, TrainJob, job::Phase},
};

/// How many pushes ahead of the replicas a snapshot is planned at first.
const PUSHES_AHEAD: u64 = 4;

/// How many times as long as a snapshot took no other is begun: they take a fifth of the time at most.
const REST: u32 = 4;

/// The longest such rest. Most of what takes longer is waiting for pushes.
const LONGEST_REST: Duration = Duration::from_secs(60);

impl TrainJob {
    /// When a snapshot should be taken while tasks push.
    pub(in crate::train) fn saves_at(&self) -> Option<Millis> {
        self.saves.due.filter(|_| self.saves_in_stream())
    }

    /// Whether a snapshot can be taken while tasks push.
    fn saves_in_stream(&self) -> bool {
        let stream = matches!(self.settings.mode, Mode::Asynchronous { .. } | Mode::BoundedStaleness { .. });
        stream && self.phase == Phase::Training && !self.streaming.is_empty() && self.can_save()
    }

    fn can_save(&self) -> bool {
        let ready = self.shards.as_ref().is_some_and(|shards| shards.all_ready());
        ready && self.settings.snapshots.is_some() && !self.saves.is_taking()
    }

    /// Whether a snapshot is due between two rounds. An evaluation that is under way could not be repeated from it.
    pub(in crate::train) fn saves_between_rounds(&self, now: Millis) -> bool {
        let due = self.saves.due.is_some_and(|due| due <= now);
        due && self.can_save() && self.evaluating.is_empty()
    }

    /// Whether a snapshot is to be taken after an epoch that is not the last.
    pub(in crate::train) fn saves_after(&self, epoch: Epoch, now: Millis) -> bool {
        let rests = now < self.saves.rests_until && self.saves.reshard.is_none();
        !rests && self.can_save_after(epoch)
    }

    fn can_save_after(&self, epoch: Epoch) -> bool {
        let repeatable = !self.settings.mode.in_rounds() || self.evaluating.range(..epoch).next().is_none();
        self.can_save() && repeatable
    }

    /// Takes a snapshot if one is due while tasks push.
    pub(in crate::train) fn save_if_due(&mut self, now: Millis) -> Vec<JobCommand> {
        if self.saves_at().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let Course::Stream { interval } = self.settings.mode.course() else { return Vec::new() };
        self.save(CutKind::Ahead(AheadOf { interval, pushes: PUSHES_AHEAD }), false, now)
    }

    /// Takes a snapshot at a quiet moment; training goes on when it is planned.
    pub(in crate::train) fn save_then_go_on(&mut self, now: Millis) -> Vec<JobCommand> {
        self.save(CutKind::Quiet, true, now)
    }

    /// Takes the last snapshot, before the weights are fetched.
    pub(in crate::train) fn save_last(&mut self, now: Millis) -> Vec<JobCommand> {
        if self.saves.last_taken || !self.can_save_after(self.position.epoch) {
            return Vec::new();
        }
        self.saves.last_taken = true;
        self.save(CutKind::Quiet, false, now)
    }

    fn save(&mut self, cut: CutKind, holds: bool, now: Millis) -> Vec<JobCommand> {
        let Some(SnapshotSettings { location, .. }) = self.settings.snapshots.clone() else {
            return Vec::new();
        };
        self.saves.last = SnapshotId(self.saves.last.0 + 1);
        let snapshot = self.saves.last;
        let (position, progress) = (self.position, self.epochs.progress());
        let manifest = Manifest {
            version: Manifest::VERSION,
            job: self.job,
            snapshot,
            settings: TrainSettings::clone(&self.settings),
            fingerprint: self.pictures.fingerprint.clone(),
            classes: self.pictures.classes.clone(),
            fitted: self.fitted_pipeline(),
            features: self.pictures.features.unwrap_or_default(),
            partitions: self.train_partitions(),
            samples: self.usable_to_train().collect(),
            replicas: self.replicas,
            epoch: position.epoch,
            round: position.round,
            retired: self.saves.retired,
            marks: Vec::new(),
            progress: progress.clone(),
            shards: Vec::new(),
        };
        self.saves.taking = Some(Taking { snapshot, since: now, position, progress, holds, planned: false });
        let keep = self.saves.durable.as_ref().map(|durable| durable.snapshot);
        let (places, steps) = (self.places(), self.train_steps());
        let tasks = self.streaming.iter().flat_map(|(epoch, partitions)| {
            partitions.iter().map(|partition| TrainTask { epoch: *epoch, partition: *partition })
        });
        let running = tasks.collect();
        let failed = self.saves.failed.clone();
        let request = SnapshotRequest { location, places, cut, steps, running, manifest, keep, failed };
        vec![JobCommand::Snapshot(Box::new(request))]
    }

    /// It is decided what is in a snapshot: pushes that come now change nothing about it.
    pub fn on_snapshot_planned(&mut self, snapshot: SnapshotId, now: Millis) -> Vec<JobCommand> {
        let Some(taking) = self.saves.taking.as_mut().filter(|taking| taking.snapshot == snapshot) else {
            return Vec::new();
        };
        taking.planned = true;
        if std::mem::take(&mut taking.holds) { self.go_on(now) } else { Vec::new() }
    }

    /// Goes on with what waited for a snapshot to be planned.
    pub(super) fn go_on(&mut self, now: Millis) -> Vec<JobCommand> {
        let epoch = self.position.epoch;
        let in_epoch = self.settings.mode.in_rounds() && self.rounds_done() < self.rounds_per_epoch();
        if in_epoch { self.next_round(now) } else { self.begin_epoch(Epoch(epoch.0 + 1), now) }
    }

    /// Sets the time of the next snapshot.
    pub(in crate::train) fn plan_next(&mut self, now: Millis) {
        let every = self.settings.snapshots.as_ref().map(|settings| u64::from(settings.every_seconds));
        let rests_until = self.saves.rests_until;
        self.saves.due = every.map(|every| now.after(Duration::from_secs(every)).max(rests_until));
    }

    /// Leaves the shards alone for a while after a snapshot, however often one is wanted.
    pub(super) fn rest_after(&mut self, taking: &Taking, now: Millis) {
        let rest = now.since(taking.since).saturating_mul(REST).min(LONGEST_REST);
        self.saves.rests_until = now.after(rest);
    }
}
