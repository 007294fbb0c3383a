use std::{sync::Arc, time::Duration};

use howdah_executor::learn::Network;
use howdah_proto::{
    Partition,
    event::{Event, StageKind},
    pb,
    settings::DataSettings,
};

use super::{ClusterView, Cut, JobCommand, StageTask, TrainJob, job::Phase};
use crate::{
    dataset::{Dataset, shuffled},
    scheduler::Millis,
};

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
        let mut commands = vec![JobCommand::Emit(Event::DatasetListed {
            classes: dataset.classes.clone(),
            train: dataset.count(&dataset.train),
            test: dataset.count(&dataset.test),
            synthetic: matches!(self.settings.data, DataSettings::Synthetic { .. }),
        })];
        for (path, reason) in &dataset.skipped {
            commands.extend(self.skip(path.clone(), reason.clone()));
        }
        self.pictures.train = dataset.train.len();
        self.pictures.classes = dataset.classes;
        // Shuffled before it is cut, so that no partition is one class.
        let mut files = shuffled(dataset.train, self.settings.seed);
        files.extend(dataset.test);
        self.pictures.files = Arc::new(files);
        if self.phase == Phase::Over {
            return commands;
        }
        self.phase = Phase::AwaitingMembers { since: now };
        commands.push(JobCommand::ServeFiles(self.pictures.files.clone()));
        let missing = missing_members(cluster);
        if let Some(reason) = missing {
            commands.push(JobCommand::Emit(Event::Waiting { reason }));
        } else {
            commands.extend(self.prepare(cluster, now));
        }
        commands
    }

    /// Members joined or left.
    pub fn on_members_changed(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        if !matches!(self.phase, Phase::AwaitingMembers { .. }) || missing_members(cluster).is_some() {
            return Vec::new();
        }
        let mut commands = vec![JobCommand::Emit(Event::GoesOn)];
        commands.extend(self.prepare(cluster, now));
        commands
    }

    /// The moment at which the job gives up waiting for its first members; none if it doesn't.
    pub fn deadline(&self) -> Option<Millis> {
        let Phase::AwaitingMembers { since } = self.phase else { return None };
        self.settings.executor_wait_seconds.map(|wait| since.after(Duration::from_secs(wait)))
    }

    /// Gives up if the deadline has come.
    pub fn on_tick(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        let (Some(_), Phase::AwaitingMembers { since }) =
            (self.deadline().filter(|due| *due <= now), self.phase)
        else {
            return Vec::new();
        };
        let (job, waited) = (self.job, now.since(since).as_secs());
        let missing = missing_members(cluster).unwrap_or_default();
        self.fail(
            format!("job {job} waited {waited} s, and {missing}"),
            Some("--executor-wait sets how long a job waits".to_owned()),
        )
    }

    fn prepare(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        self.phase = Phase::Preparing { prepared: false, shards_ready: false };
        self.tally.prepare_started = Some(now);
        let (train, all) = (self.pictures.train, self.pictures.files.len());
        self.replicas = cluster.slots;
        let settings = &self.settings;
        let cut = Cut::new(train, all - train, cluster.slots, settings.batch, settings.partitions);
        let tasks = cut.partitions().map(|(partition, _)| StageTask { partition, prefers: None }).collect();
        self.pictures.cut = Some(cut);
        vec![self.share(None), JobCommand::Stage { kind: StageKind::Prepare, tasks }]
    }

    /// A block was prepared: the first tells how large the network is, so that its shards can be created
    /// while the other blocks are still being prepared.
    pub(super) fn on_prepared(
        &mut self,
        partition: Partition,
        block: &pb::BlockComputed,
        cluster: &ClusterView,
    ) -> Vec<JobCommand> {
        let mut commands = Vec::new();
        for file in &block.skipped {
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
                    commands.extend(self.place_shards(block.features, cluster));
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

    fn place_shards(&mut self, features: u32, cluster: &ClusterView) -> Vec<JobCommand> {
        let classes = self.pictures.classes.len();
        let network = match Network::new(&self.settings.network, features as usize, classes) {
            Ok(network) => network,
            Err(error) => return self.fail(error.to_string(), None),
        };
        let servers = &cluster.paramservers;
        if servers.is_empty() {
            return self
                .fail("the last parameter server was lost before the shards were created".to_owned(), None);
        }
        let wanted = self.settings.shards.unwrap_or(servers.len() as u32);
        let ranges = howdah_paramserver::client::balance(network.parameters() as u64, wanted);
        let places =
            ranges.iter().zip(0u32..).zip(servers.iter().cycle()).map(|((range, shard), (_, address))| {
                pb::ShardPlace {
                    shard,
                    address: address.clone(),
                    start: range.start,
                    len: range.end - range.start,
                }
            });
        self.shards = places.collect();
        vec![JobCommand::CreateShards {
            places: self.shards.clone(),
            rule: self.settings.updates.rule(),
            network: (!self.counts_batches()).then_some(network),
            seed: self.settings.seed,
        }]
    }
}

/// Says what a job needs before its pictures can be cut; none if it has it.
fn missing_members(cluster: &ClusterView) -> Option<String> {
    match (cluster.slots, cluster.paramservers.len()) {
        (0, 0) => Some("no executor and no parameter server has joined".to_owned()),
        (0, _) => Some("no executor has joined".to_owned()),
        (_, 0) => Some("no parameter server has joined".to_owned()),
        _ => None,
    }
}
