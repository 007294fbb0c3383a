use std::collections::BTreeMap;

use howdah_proto::{
    Epoch, Partition, SnapshotId, Step, event::Event, fence::TrainTask, pb, settings::MAX_SHARDS,
};

use super::{Durable, SnapshotFault, state::Taking};
use crate::{
    scheduler::Millis,
    snapshot::{Location, Manifest},
    train::{JobCommand, TrainJob, job::Phase},
};

impl TrainJob {
    /// A snapshot is durable, or could not be taken.
    pub fn on_snapshot_taken(
        &mut self,
        snapshot: SnapshotId,
        taken: Result<Manifest, SnapshotFault>,
        now: Millis,
    ) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        let Some(taking) = self.saves.taking.take_if(|taking| taking.snapshot == snapshot) else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        // One that lacks something was not written, and is taken as soon as it can be.
        if !matches!(taken, Err(SnapshotFault::Lacking(_))) {
            self.rest_after(&taking, now);
        }
        self.plan_next(now);
        match taken {
            Ok(manifest) => commands.extend(self.saved(&taking, &manifest, now)),
            Err(fault) => {
                let is_same = taking.position.epoch == self.position.epoch;
                if is_same && matches!(fault, SnapshotFault::Lacking(_)) {
                    self.saves.due = None;
                }
                if matches!(fault, SnapshotFault::Passing(_)) {
                    self.saves.note_failed(snapshot);
                }
                commands.push(JobCommand::Emit(Event::SnapshotFailed { reason: fault.to_string() }));
            }
        }
        if self.goes_back {
            return commands;
        }
        if taking.holds {
            commands.extend(self.go_on(now));
        }
        if self.phase == Phase::Collecting {
            commands.extend(self.save_last(now));
            commands.extend(self.ask_again(now));
        }
        commands
    }

    fn saved(&mut self, taking: &Taking, manifest: &Manifest, now: Millis) -> Vec<JobCommand> {
        let epoch = taking.position.epoch;
        self.tally.snapshots += 1;
        let mut commands = vec![JobCommand::Emit(Event::SnapshotTaken {
            snapshot: taking.snapshot,
            epoch,
            bytes: manifest.bytes(),
            seconds: now.since(taking.since).as_secs_f64(),
        })];
        let location = self.settings.snapshots.as_ref().map(|settings| settings.location.clone());
        self.saves.failed.clear();
        self.saves.durable = Some(Durable {
            snapshot: taking.snapshot,
            folder: folder(&location.unwrap_or_default(), taking.snapshot),
            saved: manifest.shards.iter().map(pb::SavedShard::from).collect(),
            position: taking.position,
            progress: taking.progress.clone(),
        });
        self.saves.retired = if self.settings.mode.in_rounds() {
            // Whatever shards lack is in rounds after the snapshot.
            Epoch(epoch.0 - 1).max(self.saves.retired)
        } else {
            complete_from(self.saves.retired, &manifest.marks, &self.train_steps())
        };
        if let Some(count) = self.saves.reshard.take() {
            commands.extend(self.spread(count, now));
        }
        commands
    }

    /// Spreads the parameters over another number of shards, which are made from the last snapshot.
    fn spread(&mut self, count: u32, now: Millis) -> Vec<JobCommand> {
        let mut commands = if self.settings.mode.in_rounds() { self.go_back(now) } else { Vec::new() };
        let Some(shards) = &mut self.shards else { return commands };
        let ranges = howdah_paramserver::client::balance(shards.values(), count);
        let steps = shards.spread(&ranges, now);
        commands.extend(self.follow(steps, now));
        commands
    }

    /// The user wants the parameters spread over another number of shards.
    ///
    /// # Errors
    /// Why that can't be.
    pub fn on_reshard(&mut self, count: u32, now: Millis) -> Result<Vec<JobCommand>, String> {
        let values = self.shards.as_ref().map_or(0, |shards| shards.values());
        if self.phase != Phase::Training {
            return Err(format!("job {} does not train now", self.job));
        }
        if self.settings.snapshots.is_none() {
            return Err("the job takes no snapshots, which shards are made from: start it with --snapshots"
                .to_owned());
        }
        if !(1..=MAX_SHARDS).contains(&count) || u64::from(count) > values {
            return Err(format!("{values} parameters can't be spread over {count} shards"));
        }
        self.saves.reshard = Some(count);
        self.saves.due = Some(now);
        Ok(self.save_if_due(now))
    }

    /// Goes on from a snapshot; the next one comes after the last number that is taken, there and where it goes.
    pub(in crate::train) fn resume_from(&mut self, durable: Durable, last: SnapshotId) {
        self.position = durable.position;
        self.saves.last = self.saves.last.max(last);
        self.saves.durable = Some(durable);
    }
}

/// The last epoch such that all tasks are complete in a snapshot from the one after `retired` to it.
fn complete_from(retired: Epoch, marks: &[(TrainTask, Step)], steps: &BTreeMap<Partition, u64>) -> Epoch {
    let marks: BTreeMap<TrainTask, Step> = marks.iter().copied().collect();
    let complete = |epoch: &Epoch| {
        steps.iter().all(|(partition, steps)| {
            let task = TrainTask { epoch: *epoch, partition: *partition };
            marks.get(&task).is_some_and(|mark| mark.0 >= *steps)
        })
    };
    if steps.is_empty() {
        return retired;
    }
    (retired.0 + 1..).map(Epoch).take_while(complete).last().unwrap_or(retired)
}

/// The folder of a snapshot; the location was checked when the snapshot was written there.
fn folder(location: &str, snapshot: SnapshotId) -> String {
    Location::parse(location).map_or_else(|_| location.to_owned(), |at| at.snapshot(snapshot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_retired_only_when_a_snapshot_has_every_step_of_them() {
        let steps = BTreeMap::from([(Partition(0), 4), (Partition(1), 3)]);
        let mark = |epoch, partition, step| {
            (TrainTask { epoch: Epoch(epoch), partition: Partition(partition) }, Step(step))
        };
        let whole = [mark(1, 0, 4), mark(1, 1, 3)];
        assert_eq!(complete_from(Epoch(0), &whole, &steps), Epoch(1));
        assert_eq!(complete_from(Epoch(0), &whole[..1], &steps), Epoch(0));
        assert_eq!(complete_from(Epoch(1), &[mark(2, 0, 4), mark(2, 1, 2)], &steps), Epoch(1));
        assert_eq!(complete_from(Epoch(1), &[mark(2, 0, 4), mark(2, 1, 3)], &steps), Epoch(2));
    }
}
