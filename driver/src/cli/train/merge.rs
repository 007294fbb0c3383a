//! The settings of a run that is gone on with, and those of the flags that are given with `--resume`.

use std::mem::discriminant;

use howdah_proto::settings::{
    Compression, DataSettings, Encoding, Learning, Mode, NetworkSettings, Schedule, TrainSettings,
};

use super::{Args, args::compression};
use crate::{cli::said::Said, snapshot::SnapshotError};

const PIPELINE: &[&str] = &["pipeline", "size", "denoise", "augment"];
const MODE: &[&str] = &["mode", "push_every", "staleness", "backups", "local_steps"];
const CORRECTION: &[&str] = &["correction", "delay_compensation"];
const SELECTION: &[&str] = &["fold", "data_seed"];
const NETWORK: &[&str] = &["hidden", "dropout", "input_dropout"];
const UPDATES: &[&str] = &[
    "optimizer",
    "rule",
    "lr",
    "outer_lr",
    "momentum",
    "decay",
    "weight_decay",
    "elastic_rate",
    "momentum_every",
];

/// The flag that was given now and makes a run another one.
pub(super) fn settled(error: &SnapshotError, said: &Said) -> Option<String> {
    let SnapshotError::Unfit { setting, .. } = error else { return None };
    said.first(match *setting {
        "selection" => SELECTION,
        "network" => NETWORK,
        "pipeline" if said.first(PIPELINE).is_none() => &["data"],
        "pipeline" => PIPELINE,
        "batch" => &["batch"],
        "seed" => &["seed"],
        "updates" | "rule" => UPDATES,
        "correction" => CORRECTION,
        "average" => &["average"],
        "mode" => MODE,
        "validation fraction" => &["validation_fraction"],
        "number of partitions" => &["partitions"],
        _ => &[],
    })
}

/// The flag that would have a run go on with other pictures than those that it was begun with.
pub(super) fn of_other_pictures(run: &TrainSettings, given: &TrainSettings, said: &Said) -> Option<String> {
    let draws_others = said.has("synthetic") && given.data != run.data;
    let holds_out_others = said.has("test_fraction") && !said.has("data");
    let flag = [(draws_others, "synthetic"), (holds_out_others, "test_fraction")];
    flag.into_iter().find(|(is_other, _)| *is_other).and_then(|(_, flag)| said.first(&[flag]))
}

/// Where the pictures of a run are now: what was not said of them is as it was.
fn data(run: &DataSettings, given: &DataSettings, said: &Said) -> DataSettings {
    match (run, given) {
        _ if !said.has("data") => run.clone(),
        (
            DataSettings::Folder { test, test_fraction, classes, format, .. },
            DataSettings::Folder {
                train: now_train,
                test: now_test,
                test_fraction: now_fraction,
                classes: now_classes,
                format: now_format,
            },
        ) => DataSettings::Folder {
            train: now_train.clone(),
            test: if said.has("test") { now_test } else { test }.clone(),
            test_fraction: *if said.has("test_fraction") { now_fraction } else { test_fraction },
            classes: if said.has("classes") { now_classes } else { classes }.clone(),
            format: *if said.has("format") { now_format } else { format },
        },
        _ => given.clone(),
    }
}

/// How values travel from now on.
fn travel(run: Compression, given: Compression, mode: &Mode, said: &Said) -> Compression {
    let push = if said.has("compress") { given.push } else { run.push };
    let compress_pulls = said.has("compress_pulls") || run.pull != Encoding::F32;
    compression(push, compress_pulls, said.has("delta_pulls") || run.delta_pulls, mode)
}

/// The settings of the run, with those of the flags that were given.
pub(super) fn merged(
    run: &TrainSettings,
    given: &TrainSettings,
    args: &Args,
    has_pipeline: bool,
) -> TrainSettings {
    let said = &args.said;
    macro_rules! pick {
        ($flags:expr, $($field:ident).+) => {
            if said.first($flags).is_some() { &given.$($field).+ } else { &run.$($field).+ }.clone()
        };
    }
    // The mode that it has, without what goes with it.
    let says_the_same =
        said.first(&MODE[1..]).is_none() && discriminant(&run.mode) == discriminant(&given.mode);
    let mode = if says_the_same { run.mode } else { pick!(MODE, mode) };
    let pipeline = if has_pipeline { &["data", "pipeline", "size", "denoise", "augment"] } else { PIPELINE };
    TrainSettings {
        data: data(&run.data, &given.data, said),
        selection: pick!(SELECTION, selection),
        pipeline: pick!(pipeline, pipeline),
        network: NetworkSettings {
            hidden: pick!(&["hidden"], network.hidden),
            dropout: pick!(&["dropout"], network.dropout),
            input_dropout: pick!(&["input_dropout"], network.input_dropout),
        },
        epochs: pick!(&["epochs"], epochs),
        batch: pick!(&["batch"], batch),
        learning: Learning {
            schedule: Schedule {
                shape: args.learn.shape_after(
                    run.learning.schedule.shape,
                    given.learning.schedule.shape,
                    said,
                ),
                warm_up: pick!(&["warm_up"], learning.schedule.warm_up),
            },
            schedule_epochs: pick!(&["schedule_epochs"], learning.schedule_epochs),
            label_smoothing: pick!(&["label_smoothing"], learning.label_smoothing),
            class_weights: pick!(&["class_weights"], learning.class_weights),
            clip_norm: pick!(&["clip_norm"], learning.clip_norm),
            l2: pick!(&["l2"], learning.l2),
            average: pick!(&["average"], learning.average),
        },
        updates: pick!(UPDATES, updates),
        rule: pick!(UPDATES, rule),
        correction: pick!(CORRECTION, correction),
        compression: travel(run.compression, given.compression, &mode, said),
        mode,
        seed: pick!(&["seed"], seed),
        // What was not said of it is as it was already.
        validation: given.validation,
        partitions: pick!(&["partitions"], partitions),
        shards: pick!(&["shards"], shards),
        shard_copies: pick!(&["replicas"], shard_copies),
        snapshots: run.snapshots.clone(),
        resume: None,
        prepare: None,
        max_bad_pictures: pick!(&["max_bad_pictures"], max_bad_pictures),
        task_attempts: pick!(&["task_attempts"], task_attempts),
        executor_wait_seconds: pick!(&["executor_wait"], executor_wait_seconds),
    }
}
