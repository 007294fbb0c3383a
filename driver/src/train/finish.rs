use howdah_proto::event::{JobReport, Seconds};

use super::{Collected, Ending, JobCommand, PartitionUse, TrainJob, job::Phase};
use crate::scheduler::Millis;

impl TrainJob {
    /// The weights were fetched and the model was made, or could not be.
    pub fn on_collected(&mut self, result: Result<Collected, String>, now: Millis) -> Vec<JobCommand> {
        if self.phase != Phase::Collecting {
            return Vec::new();
        }
        let collected = match result {
            Ok(collected) => collected,
            Err(error) => return self.fail(format!("the weights can't be fetched: {error}"), None),
        };
        let batches = self.batches();
        if let Some(error) = wrong_count(&collected, batches) {
            return self.fail(
                error,
                Some("this is a bug in Howdah: please report it with the event log".to_owned()),
            );
        }
        self.end(Ending::Finished(self.report(collected, batches, now)))
    }

    /// Batches that all training tasks together have.
    fn batches(&self) -> u64 {
        let batch = self.settings.batch;
        let tasks = self.tasks_of(PartitionUse::Train);
        let samples = tasks.iter().filter_map(|task| self.pictures.samples.get(&task.partition));
        let epoch: u64 = samples.map(|samples| howdah_executor::task::steps(*samples, batch)).sum();
        epoch * u64::from(self.settings.epochs)
    }

    fn report(&self, collected: Collected, batches: u64, now: Millis) -> JobReport {
        let tally = &self.tally;
        let between = |from: Option<Millis>, to: Option<Millis>| match (from, to) {
            (Some(from), Some(to)) => to.0.saturating_sub(from.0) as f64 / 1e3,
            _ => 0.0,
        };
        let train = between(tally.train_started, tally.train_ended);
        let pictures = self.train_samples() * u64::from(self.settings.epochs);
        JobReport {
            classes: self.pictures.classes.clone(),
            epochs: self.epochs.reports().to_vec(),
            confusion: self.epochs.confusion(self.pictures.classes.len()),
            images_per_second: pictures as f64 / train.max(1e-3),
            batches,
            parameters: self.shards.iter().map(|shard| shard.len).sum(),
            shards: collected.shards,
            skipped_pictures: tally.skipped,
            task_retries: tally.retries,
            executors_lost: tally.executors_lost,
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

/// Checks that every shard has applied every batch exactly once; says where it hasn't.
fn wrong_count(collected: &Collected, batches: u64) -> Option<String> {
    collected.shards.iter().enumerate().find_map(|(shard, report)| {
        let counted = report.counted.unwrap_or((batches, batches));
        (report.batches_applied != batches || counted != (batches, batches)).then(|| {
            format!(
                "shard {shard} has applied {} batches and its weights count {} to {}, but the job has {batches}",
                report.batches_applied, counted.0, counted.1
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use howdah_proto::event::ShardReport;

    use super::*;

    fn shard(batches_applied: u64, counted: Option<(u64, u64)>) -> ShardReport {
        ShardReport {
            values: 1,
            batches_applied,
            pushes_applied: 1,
            pushes_repeated: 0,
            pushes_superseded: 0,
            pushes_out_of_order: 0,
            counted,
        }
    }

    #[test]
    fn a_shard_that_applied_a_batch_twice_or_not_at_all_is_found() {
        let wrong = |shards: Vec<ShardReport>| wrong_count(&Collected { shards }, 10);
        assert_eq!(wrong(vec![shard(10, None), shard(10, Some((10, 10)))]), None);
        assert!(wrong(vec![shard(10, None), shard(9, None)]).is_some_and(|text| text.contains("shard 1")));
        assert!(wrong(vec![shard(10, Some((10, 11)))]).is_some());
        assert!(wrong(vec![shard(10, Some((9, 10)))]).is_some());
    }
}
