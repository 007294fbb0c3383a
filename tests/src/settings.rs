//! The settings of small jobs.

use std::{collections::BTreeMap, path::Path};

use howdah_executor::vision::{Augment, seed_pipeline};
use howdah_proto::settings::{DataSettings, Mode, NetworkSettings, Optimizer, TrainSettings, Updates};

/// A small job that learns from the pictures in a folder.
pub fn learning(data: &Path) -> TrainSettings {
    TrainSettings {
        data: DataSettings::Folder {
            train: data.to_owned(),
            test: None,
            test_fraction: 0.2,
            classes: BTreeMap::new(),
        },
        pipeline: seed_pipeline(16, 0.0, Augment::None),
        network: NetworkSettings { hidden: vec![8], dropout: 0.0 },
        epochs: 2,
        batch: 8,
        updates: Updates::AtReplica(Optimizer::Adam { learning_rate: 1e-3 }),
        mode: Mode::Asynchronous { push_every: 2 },
        seed: 1,
        partitions: Some(4),
        shards: None,
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
        updates: Updates::Count,
        mode: Mode::Asynchronous { push_every: 1 },
        ..learning(data)
    }
}
