use howdah_proto::{
    event::{JobReport, Seconds},
    settings::{Course, Mode},
};

use super::{
    Collected, Ending, JobCommand, TrainJob,
    rounds::{RoundTask, needed, parts, rounds_of},
    shards::Shards,
};
use crate::scheduler::Millis;

impl TrainJob {
    /// The weights were fetched and the model was made.
    pub(super) fn collected(&mut self, collected: Collected, now: Millis) -> Vec<JobCommand> {
        let batches = self.batches();
        let wrong = self
            .shards
            .as_ref()
            .and_then(|shards| wrong_count(&collected, shards.places().len(), batches, self.settings.mode));
        if let Some(error) = wrong {
            return self.fail(
                error,
                Some("this is a bug in Howdah: please report it with the event log".to_owned()),
            );
        }
        let report = self.report(collected, batches, now);
        self.end(Ending::Finished(Box::new(report)))
    }

    /// Batches that count: all that the training tasks have, without those that rounds go on without.
    fn batches(&self) -> u64 {
        let steps = self.train_steps();
        let epoch: u64 = match self.settings.mode.course() {
            Course::Stream { .. } => steps.values().sum(),
            Course::Rounds { steps: each, backups } => (1..=rounds_of(&steps, each))
                .map(|round| contributions(&parts(&steps, each, round), backups))
                .sum(),
        };
        epoch * u64::from(self.last_epoch().0)
    }

    fn report(&self, collected: Collected, batches: u64, now: Millis) -> JobReport {
        let tally = &self.tally;
        let between = |from: Option<Millis>, to: Option<Millis>| match (from, to) {
            (Some(from), Some(to)) => to.0.saturating_sub(from.0) as f64 / 1e3,
            _ => 0.0,
        };
        let train = between(tally.train_started, tally.train_ended);
        let here = self.last_epoch().0.saturating_sub(tally.epochs_before);
        let pictures = self.train_samples() * u64::from(here);
        let evaluated = self.epochs.evaluation(self.model_epoch());
        JobReport {
            classes: self.pictures.classes.clone(),
            epochs: self.epochs.reports().to_vec(),
            best_epoch: self.best_epoch(),
            test: evaluated.test,
            validation: evaluated.validation,
            images_per_second: pictures as f64 / train.max(1e-3),
            batches,
            parameters: self.shards.as_ref().map_or(0, Shards::values),
            shards: collected.shards,
            skipped_pictures: tally.skipped,
            task_retries: tally.retries,
            executors_lost: tally.executors_lost,
            shards_lost: tally.shards_lost,
            snapshots: tally.snapshots,
            seconds: Seconds {
                start: between(Some(self.submitted), tally.prepare_started),
                preprocess: between(tally.prepare_started, tally.prepared),
                first_step: between(Some(self.submitted), tally.first_step),
                train,
                total: self.seconds_to(now),
            },
        }
    }
}

/// Steps that the contributions of a round have that it waits for.
fn contributions(parts: &[RoundTask], backups: u32) -> u64 {
    let needed = needed(parts.len(), backups) as usize;
    parts.iter().take(needed).map(|part| part.last - part.first + 1).sum()
}

/// Checks that every shard answered and has applied every batch exactly once; says where it hasn't.
///
/// With backups, which contributions a shard applied is its own affair; how many, the weights can count.
fn wrong_count(collected: &Collected, shards: usize, batches: u64, mode: Mode) -> Option<String> {
    if collected.shards.len() != shards {
        return Some(format!("{} of {shards} shards have answered", collected.shards.len()));
    }
    let with_backups = matches!(mode, Mode::Synchronous { backups } if backups > 0);
    collected.shards.iter().enumerate().find_map(|(shard, report)| {
        let counted = report.counted.unwrap_or((batches, batches));
        let applied = if with_backups { batches } else { report.batches_applied };
        (applied != batches || counted != (batches, batches)).then(|| {
            format!(
                "shard {shard} has applied {} batches and its weights count {} to {}, but the job has {batches}",
                report.batches_applied, counted.0, counted.1
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use howdah_proto::{event::ShardReport, settings::PushEvery};

    use super::*;

    fn shard(batches_applied: u64, counted: Option<(u64, u64)>) -> ShardReport {
        ShardReport { batches_applied, counted, ..ShardReport::default() }
    }

    fn wrong(shards: Vec<ShardReport>, mode: Mode) -> Option<String> {
        wrong_count(&Collected { shards }, 2, 10, mode)
    }

    #[test]
    fn a_shard_that_applied_a_batch_twice_or_not_at_all_is_found() {
        let mode = Mode::Asynchronous { push_every: PushEvery::Epoch };
        let right = || shard(10, None);
        assert_eq!(wrong(vec![right(), shard(10, Some((10, 10)))], mode), None);
        assert!(wrong(vec![right(), shard(9, None)], mode).is_some_and(|text| text.contains("shard 1")));
        assert!(wrong(vec![right(), shard(10, Some((10, 11)))], mode).is_some());
        assert!(wrong(vec![right(), shard(10, Some((9, 10)))], mode).is_some());
    }

    #[test]
    fn a_shard_that_did_not_answer_is_found() {
        let mode = Mode::Asynchronous { push_every: PushEvery::Epoch };
        assert!(wrong(vec![shard(10, None)], mode).is_some_and(|text| text.contains("1 of 2 shards")));
    }

    #[test]
    fn with_backups_the_weights_alone_are_counted() {
        let mode = Mode::Synchronous { backups: 1 };
        assert_eq!(wrong(vec![shard(11, Some((10, 10))), shard(9, None)], mode), None);
        assert!(wrong(vec![shard(10, Some((11, 11))), shard(10, None)], mode).is_some());
    }
}
