use std::{sync::Arc, time::Duration};

use howdah_executor::learn::Network;
use howdah_proto::{
    Partition,
    event::Event,
    pb,
    settings::{Course, DataSettings},
};

use super::{
    ClusterView, Cut, JobCommand, TrainJob,
    job::Phase,
    listing::{Counts, Listing},
    shards::{Recovery, Shards, Standbys},
};
use crate::{
    dataset::{Dataset, PictureFile},
    prepared::LeftOut,
    scheduler::Millis,
    snapshot::fingerprint,
};

/// In rounds the result depends on the partitions, so their number must not depend on the slots.
const PARTITIONS_IN_ROUNDS: u32 = 4;

impl TrainJob {
    /// The pictures were listed, or could not be.
    pub fn on_dataset(
        &mut self,
        dataset: Result<Dataset, String>,
        cluster: &ClusterView,
        now: Millis,
    ) -> Vec<JobCommand> {
        if self.phase != Phase::Listing {
            return Vec::new();
        }
        let dataset = match dataset {
            Ok(dataset) => dataset,
            Err(error) => return self.fail(error, None),
        };
        let all: Vec<PictureFile> = dataset.train.iter().chain(&dataset.test).cloned().collect();
        let listing = Listing::new(&dataset, &self.settings);
        let counts = listing.counts(dataset.classes.len());
        let empty =
            counts.train.iter().position(|count| *count == 0).and_then(|class| dataset.classes.get(class));
        if let Some((class, fold)) = empty.zip(self.settings.selection.fold) {
            let error = format!("the class `{class}` has no picture outside fold {fold}");
            return self.fail(error, Some("each class needs a picture for each fold".to_owned()));
        }
        let validated = self.settings.validation.is_some();
        let mut commands = vec![JobCommand::Emit(Event::DatasetListed {
            classes: dataset.classes.clone(),
            train: counts.train.clone(),
            validation: if validated { counts.validation.clone() } else { Vec::new() },
            test: counts.test.clone(),
            synthetic: matches!(self.settings.data, DataSettings::Synthetic { .. }),
        })];
        match self.settings.learning.class_weights.of_counts(&counts.train) {
            Ok(weights) => self.class_weights = weights,
            Err(error) => {
                commands.extend(self.fail(error.to_string(), Some("see --class-weights".to_owned())));
                return commands;
            }
        }
        for (path, reason) in &dataset.skipped {
            let (path, reason) = (path.clone(), reason.clone());
            self.saved.unlisted.push(LeftOut { picture: None, path, reason });
        }
        for (path, reason) in &dataset.skipped {
            commands.extend(self.skip(path.clone(), reason.clone()));
        }
        self.pictures.fingerprint = fingerprint(&all);
        commands.extend(self.check_pictures());
        commands.extend(self.check_validation(&dataset, &counts));
        self.pictures.layout = listing.layout;
        self.pictures.classes = dataset.classes;
        self.pictures.files = Arc::new(listing.files);
        commands.extend(self.listed(cluster, now));
        commands
    }

    /// The pictures are known: prepares them as soon as somebody is there to do it.
    pub(super) fn listed(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        self.phase = Phase::AwaitingMembers { since: now };
        let mut commands = vec![JobCommand::ServeFiles(self.pictures.files.clone())];
        match self.missing_members(cluster) {
            Some(reason) => commands.push(JobCommand::Emit(Event::Waiting { reason })),
            None => commands.extend(self.prepare(cluster, now)),
        }
        commands
    }

    /// Checks that the split has left something to train on in each class, and something to validate with.
    fn check_validation(&mut self, dataset: &Dataset, counts: &Counts) -> Vec<JobCommand> {
        let Some(settings) = self.settings.validation else { return Vec::new() };
        let hint = Some("choose another --validation-fraction".to_owned());
        if counts.validation.iter().all(|count| *count == 0) {
            return self.fail("no picture is left for validation".to_owned(), hint);
        }
        let mut classes = counts.train.iter().zip(&counts.validation);
        let empty = classes.position(|(left, taken)| *left == 0 && *taken > 0);
        let Some(class) = empty else { return Vec::new() };
        let (class, fraction) = (&dataset.classes[class], settings.fraction);
        self.fail(
            format!("all pictures of class `{class}` are in the validation fraction of {fraction}"),
            hint,
        )
    }

    /// Members joined or left, or want to.
    pub fn on_members_changed(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        let mut commands = Vec::new();
        if matches!(self.phase, Phase::AwaitingMembers { .. }) && self.missing_members(cluster).is_none() {
            commands.push(JobCommand::Emit(Event::GoesOn));
            commands.extend(self.prepare(cluster, now));
        }
        commands.extend(self.servers_changed(cluster, now));
        commands
    }

    /// The moment at which [`Self::on_tick`] should be called next; none if nothing waits for the time.
    pub fn deadline(&self) -> Option<Millis> {
        let waits = self.gives_up_at().map(|(at, _)| at);
        let shards = self.shards.as_ref().and_then(Shards::deadline);
        [waits, shards, self.asks_at(), self.saves_at()].into_iter().flatten().min()
    }

    /// When the job gives up waiting for a member, and for which.
    fn gives_up_at(&self) -> Option<(Millis, Millis)> {
        let since = match self.phase {
            Phase::AwaitingMembers { since } => since,
            _ => self.shards.as_ref()?.waiting()?,
        };
        let wait = self.settings.executor_wait_seconds?;
        Some((since.after(Duration::from_secs(wait)), since))
    }

    /// Lets time pass: gives up if nobody came, tries again what failed, takes a snapshot that is due.
    pub fn on_tick(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        if let Some((_, since)) = self.gives_up_at().filter(|(due, _)| *due <= now) {
            let (job, waited) = (self.job, now.since(since).as_secs());
            let missing =
                self.missing_members(cluster).unwrap_or_else(|| "its shards have no place".to_owned());
            return self.fail(
                format!("job {job} waited {waited} s, and {missing}"),
                Some("--executor-wait sets how long a job waits".to_owned()),
            );
        }
        let steps = self.shards.as_mut().map(|shards| shards.on_tick(now)).unwrap_or_default();
        let mut commands = self.follow(steps, now);
        commands.extend(self.ask_again(now));
        commands.extend(self.save_if_due(now));
        commands
    }

    fn prepare(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        self.phase = Phase::Preparing { prepared: false, shards_ready: false };
        self.tally.prepare_started = Some(now);
        let settings = &self.settings;
        let in_rounds = settings.mode.in_rounds().then_some(PARTITIONS_IN_ROUNDS);
        let partitions = match &self.resumed {
            Some(manifest) => {
                self.replicas = manifest.replicas;
                Some(manifest.partitions)
            }
            None => {
                self.replicas = cluster.slots;
                settings.partitions.or(in_rounds)
            }
        };
        let cut = Cut::new(&self.pictures.layout, cluster.slots, settings.batch, partitions);
        self.pictures.cut = Some(cut);
        if let Some(failed) = self.check_cut() {
            return failed;
        }
        self.hash_cut();
        let mut commands = vec![self.share(None)];
        commands.extend(self.fit_or_prepare(now));
        commands
    }

    /// Fails if there are more partitions than can be in a round: folds are cut into more than were asked for, where
    /// these can't be shared out among them.
    fn check_cut(&mut self) -> Option<Vec<JobCommand>> {
        let (partitions, most) = (self.train_partitions(), self.settings.mode.most_partitions()?);
        (partitions > most).then(|| {
            let error = format!("{partitions} partitions are too many for a round, which has {most} at most");
            self.fail(error, Some("choose fewer --partitions".to_owned()))
        })
    }

    /// A block was prepared: the first tells how large the network is, so that its shards can be created
    /// while the other blocks are still being prepared.
    pub(super) fn on_prepared(
        &mut self,
        partition: Partition,
        block: &pb::BlockComputed,
        cluster: &ClusterView,
        now: Millis,
    ) -> Vec<JobCommand> {
        let mut commands = Vec::new();
        for file in &block.skipped {
            self.leave_out(file);
            commands.extend(self.skip(file.path.clone(), file.reason.clone()));
        }
        if self.phase == Phase::Over {
            return commands;
        }
        self.pictures.samples.insert(partition, block.samples);
        if block.samples > 0 {
            match self.pictures.features {
                None => {
                    self.pictures.features = Some(block.features);
                    commands.extend(self.place_shards(block.features, cluster, now));
                }
                Some(known) if known != block.features => {
                    let features = block.features;
                    let error = format!("partition {partition} has {features} features, others have {known}");
                    commands.extend(self.fail(error, Some("the pipeline needs a `resize`".to_owned())));
                }
                Some(_) => {}
            }
        }
        commands
    }

    fn skip(&mut self, path: String, reason: String) -> Vec<JobCommand> {
        self.tally.skipped += 1;
        let mut commands =
            vec![JobCommand::Emit(Event::PictureSkipped { path: path.clone(), reason: reason.clone() })];
        let limit = self.settings.max_bad_pictures;
        if self.tally.skipped > limit {
            commands.extend(self.fail(
                format!("more than {limit} pictures can't be used; the last is {path}: {reason}"),
                Some("raise --max-bad-pictures to go on without them".to_owned()),
            ));
        }
        commands
    }

    fn place_shards(&mut self, features: u32, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        let classes = self.pictures.classes.len();
        if self.settings.prepare.is_some() {
            return Vec::new();
        }
        let network = match Network::new(&self.settings.network, features as usize, classes) {
            Ok(network) => network,
            Err(error) => return self.fail(error.to_string(), None),
        };
        if let Some(manifest) = self.resumed.as_ref().filter(|manifest| manifest.features != features) {
            let error =
                format!("the snapshot has {} features, the pictures have {features}", manifest.features);
            return self.fail(error, None);
        }
        let wanted = self.settings.shards.unwrap_or(cluster.paramservers.len().max(1) as u32);
        let ranges = howdah_paramserver::client::balance(network.parameters() as u64, wanted);
        let recovery = match self.settings.mode.course() {
            Course::Stream { .. } => Recovery::Alone,
            Course::Rounds { .. } => Recovery::Together,
        };
        self.network = Some(network);
        let standbys = Standbys::of(&self.settings.mode, self.settings.shard_copies);
        self.shards = Some(Shards::new(&ranges, standbys, recovery, now));
        self.servers_changed(cluster, now)
    }

    /// Says what the job needs before its pictures can be cut; none if it has it.
    fn missing_members(&self, cluster: &ClusterView) -> Option<String> {
        let needs_shards = self.settings.prepare.is_none() && cluster.paramservers.is_empty();
        let reason = match (cluster.slots, needs_shards) {
            (0, true) => "no executor and no parameter server has joined",
            (0, false) => "no executor has joined",
            (_, true) => "no parameter server has joined",
            _ => return None,
        };
        Some(reason.to_owned())
    }
}
