use std::ops::Range;

use howdah_executor::rdd::Spread;
use howdah_proto::{
    SOFTWARE_VERSION,
    event::{PrepareReport, PrepareSeconds},
    settings::PrepareTo,
};

use super::save::SavedShard;
use crate::{
    prepared::{LeftOut, Manifest, RoleSummary, ShardEntry},
    scheduler::Millis,
    train::{PartitionUse, TrainJob},
};

impl TrainJob {
    /// Describes the set that was written.
    pub(super) fn manifest(&self, to: &PrepareTo) -> Manifest {
        let settings = &self.settings;
        let unlisted = self.saved.unlisted.iter().cloned();
        let left_out: Vec<LeftOut> = unlisted.chain(self.saved.left_out.values().cloned()).collect();
        let mut shards: Vec<ShardEntry> = self
            .saved
            .shards
            .iter()
            .flat_map(|(partition, shards)| shards.iter().map(move |shard| (partition.0, shard)))
            .map(|(partition, SavedShard { file, info, .. })| {
                let keys = *info.keys.start() as usize..*info.keys.end() as usize + 1;
                ShardEntry::new(file.clone(), partition, self.usable(keys), info)
            })
            .collect();
        shards.sort_unstable_by_key(|shard| shard.first);
        let [train, validation, test] = self.roles();
        Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: Manifest::VERSION,
            howdah: SOFTWARE_VERSION.to_owned(),
            set: self.set_id(),
            data: settings.data.clone(),
            pipeline_name: to.pipeline_name.clone(),
            pipeline: settings.pipeline.clone(),
            fitted: self.fitted_pipeline(),
            seed: settings.seed,
            validation_fraction: settings.validation.map(|validation| validation.fraction),
            fingerprint: self.pictures.fingerprint.clone(),
            classes: self.pictures.classes.clone(),
            train: self.of_role(train, PartitionUse::Train),
            validation: self.of_role(validation, PartitionUse::Validation),
            test: self.of_role(test, PartitionUse::Test),
            left_out,
            shards,
        }
    }

    /// Reports what was written.
    pub(super) fn prepare_report(&self, to: &PrepareTo, now: Millis) -> PrepareReport {
        let [train, validation, test] = self.roles();
        let spread = self.spread_of_role(PartitionUse::Train);
        let all = self.saved.shards.values().flatten();
        let tally = &self.tally;
        let between = |from: Option<Millis>, to: Option<Millis>| match (from, to) {
            (Some(from), Some(to)) => to.since(from).as_secs_f64(),
            _ => 0.0,
        };
        PrepareReport {
            location: to.location.clone(),
            classes: self.pictures.classes.clone(),
            train: self.usable(train),
            validation: self.usable(validation),
            test: self.usable(test),
            skipped_pictures: tally.skipped,
            mean: spread.mean,
            deviation: spread.deviation(),
            shards: all.clone().count() as u64,
            bytes: all.filter_map(|shard| shard.info.bytes()).sum(),
            task_retries: tally.retries,
            executors_lost: tally.executors_lost,
            seconds: PrepareSeconds {
                start: between(Some(self.submitted), tally.prepare_started),
                preprocess: between(tally.prepare_started, self.saved.started),
                save: between(self.saved.started, Some(now)),
                total: self.seconds_to(now),
            },
        }
    }

    /// Where the pictures of each role are in the listing.
    fn roles(&self) -> [Range<usize>; 3] {
        self.pictures.layout.roles()
    }

    fn of_role(&self, range: Range<usize>, role: PartitionUse) -> RoleSummary {
        let (listed, usable) = (self.count(range.clone(), |_| true), self.usable(range));
        let all = usable.iter().sum::<u64>().max(1) as f64;
        let spread = self.spread_of_role(role);
        RoleSummary {
            balance: usable.iter().map(|count| *count as f64 / all).collect(),
            listed,
            usable,
            mean: spread.mean,
            deviation: spread.deviation(),
        }
    }

    /// How many pictures of a range of the listing can be used, of each class.
    fn usable(&self, range: Range<usize>) -> Vec<u64> {
        self.count(range, |picture| !self.saved.left_out.contains_key(&picture))
    }

    fn count(&self, range: Range<usize>, counts: impl Fn(u32) -> bool) -> Vec<u64> {
        let mut classes = vec![0; self.pictures.classes.len()];
        let files = self.pictures.files.get(range.clone()).unwrap_or_default();
        for (file, picture) in files.iter().zip(range) {
            if counts(picture as u32)
                && let Some(count) = classes.get_mut(file.label as usize)
            {
                *count += 1;
            }
        }
        classes
    }

    /// The spread of the values of a role, whoever wrote them and when: shards are added in their order.
    fn spread_of_role(&self, role: PartitionUse) -> Spread {
        let shards = self.saved.shards.iter().filter(|(partition, _)| self.use_of(**partition) == Some(role));
        shards.flat_map(|(_, shards)| shards).map(|shard| shard.spread).fold(Spread::default(), Spread::with)
    }
}
