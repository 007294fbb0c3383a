//! One training on a cluster of its own.

use std::{collections::BTreeMap, path::PathBuf};

use futures::StreamExt;
use howdah_driver::{
    client::Client,
    driver::built_in,
    local::{LocalCluster, LocalOptions, Placement, Restart},
};
use howdah_executor::vision::{Augment, seed_pipeline};
use howdah_proto::{
    event::{EpochReport, Event, JobReport},
    settings::{
        Compression, Correction, DataFormat, DataSettings, Learning, Mode, NetworkSettings, Optimizer,
        PushEvery, Selection, TrainSettings, UpdateRule, Updates,
    },
};

/// The pictures that the environment names, or drawn ones.
pub fn pictures() -> DataSettings {
    match std::env::var_os("HOWDAH_PICTURES").map(PathBuf::from) {
        Some(folder) => DataSettings::Folder {
            train: folder.join("train"),
            test: Some(folder.join("test")),
            test_fraction: 0.2,
            classes: BTreeMap::new(),
            format: DataFormat::Auto,
        },
        None => DataSettings::Synthetic { pictures: 4000 },
    }
}

/// The seed workflow: 128x128 gray pixels, 256 and 128 hidden units, batches of 32.
pub fn settings() -> TrainSettings {
    TrainSettings {
        data: pictures(),
        selection: Selection::default(),
        pipeline: seed_pipeline(128, 1.0, Augment::FlipAndRotate),
        network: NetworkSettings { hidden: vec![256, 128], dropout: 0.3, input_dropout: 0.0 },
        epochs: 5,
        batch: 32,
        learning: Learning::default(),
        updates: Updates::Deltas { optimizer: Optimizer::Adam { learning_rate: 5e-4 } },
        rule: UpdateRule::Sum,
        correction: Correction::default(),
        mode: Mode::Asynchronous { push_every: PushEvery::Steps(8) },
        compression: Compression::default(),
        seed: 0,
        validation: None,
        partitions: None,
        shards: None,
        shard_copies: 1,
        snapshots: None,
        resume: None,
        prepare: None,
        max_bad_pictures: 100,
        task_attempts: 4,
        executor_wait_seconds: None,
    }
}

/// A cluster of so many executors with one slot and thread each.
pub async fn cluster(executors: u32, paramservers: u32, folder: PathBuf) -> LocalCluster {
    let options = LocalOptions {
        executors,
        paramservers,
        slots: 1,
        threads: 1,
        memory_bytes: None,
        restart: Restart::Always,
        folder,
        registry: built_in(),
        placement: Placement::Processes,
        pools: Vec::new(),
    };
    LocalCluster::start(options).await.expect("a cluster on this machine")
}

/// Trains to the end on a cluster that is gone afterwards.
pub async fn train(executors: u32, paramservers: u32, settings: &TrainSettings) -> JobReport {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(executors, paramservers, folder.path().to_owned()).await;
    let mut client = Client::connect(&cluster.url()).await.expect("a driver");
    let job = client.submit("bench", settings).await.expect("a job");
    let mut events = Box::pin(client.watch(job).await.expect("its events"));
    let report = loop {
        match events.next().await.expect("an end").expect("an event").event {
            Event::JobFinished(report) => break *report,
            Event::JobFailed { error, .. } => panic!("{error}"),
            _ => {}
        }
    };
    cluster.shutdown().await;
    report
}

/// The pictures per second of training alone, without evaluations, in some epochs.
pub fn trained_per_second<'a>(epochs: impl Iterator<Item = &'a EpochReport>) -> f64 {
    let each = epochs.map(|epoch| (epoch.seconds, epoch.images_per_second * epoch.seconds));
    let (seconds, pictures) = each.fold((0.0, 0.0), |sum, epoch| (sum.0 + epoch.0, sum.1 + epoch.1));
    pictures / seconds
}
