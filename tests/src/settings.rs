//! The settings of small jobs.

use std::{collections::BTreeMap, path::Path};

use howdah_executor::vision::{Augment, seed_pipeline};
use howdah_proto::settings::{
    Compression, Correction, DataFormat, DataSettings, Learning, Mode, NetworkSettings, Optimizer, PushEvery,
    Selection, SnapshotSettings, TrainSettings, UpdateRule, Updates,
};

/// A small job that learns from the pictures in a folder.
pub fn learning(data: &Path) -> TrainSettings {
    TrainSettings {
        data: DataSettings::Folder {
            train: data.to_owned(),
            test: None,
            test_fraction: 0.2,
            classes: BTreeMap::new(),
            format: DataFormat::Auto,
        },
        selection: Selection::default(),
        pipeline: seed_pipeline(16, 0.0, Augment::None),
        network: NetworkSettings { hidden: vec![8], dropout: 0.0, input_dropout: 0.0 },
        epochs: 2,
        batch: 8,
        learning: Learning::default(),
        updates: Updates::Deltas { optimizer: Optimizer::Adam { learning_rate: 1e-3 } },
        rule: UpdateRule::Sum,
        correction: Correction::default(),
        mode: Mode::Asynchronous { push_every: PushEvery::Steps(2) },
        compression: Compression::default(),
        seed: 1,
        validation: None,
        partitions: Some(4),
        shards: None,
        shard_copies: 1,
        snapshots: None,
        resume: None,
        prepare: None,
        max_bad_pictures: 0,
        task_attempts: 4,
        executor_wait_seconds: None,
    }
}

/// A job whose steps push ones, one picture and one push a step, for so many epochs.
pub fn counting(data: &Path, epochs: u32) -> TrainSettings {
    TrainSettings {
        epochs,
        batch: 1,
        updates: Updates::Ones,
        mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
        ..learning(data)
    }
}

/// The same job with a snapshot every second, and after each epoch, in a folder.
pub fn snapshots(settings: TrainSettings, folder: &Path) -> TrainSettings {
    let location = folder.to_str().expect("its name is UTF-8").to_owned();
    let snapshots = Some(SnapshotSettings { location, every_seconds: 1, goes_on: false });
    TrainSettings { snapshots, ..settings }
}
