//! `train --resume`: the settings of the run, and what may be changed about them.

use std::{
    mem::discriminant,
    path::{Path, PathBuf},
};

use clap::{CommandFactory, Parser};
use howdah_proto::settings::{
    Compression, DataSettings, Encoding, Learning, NetworkSettings, Schedule, TrainSettings,
};

use super::{Args, args::absolute};
use crate::{
    cli::{CliError, said::Said},
    snapshot::{SnapshotError, Store},
};

/// The flags as they are without any being given.
#[derive(Parser)]
struct NoFlags {
    #[command(flatten)]
    args: Args,
}

/// A run that is gone on with.
pub(super) struct Resumed {
    /// What the driver is told.
    pub(super) settings: TrainSettings,
    /// The folder of the run, if it is on this machine.
    pub(super) folder: Option<PathBuf>,
}

/// Reads what the run was told, and puts the flags that were given on top.
pub(super) async fn resume(args: &Args, run: &str) -> Result<Resumed, CliError> {
    let (location, folder) = locate(run);
    let refused = |reason: String| CliError::Flag { flag: "--resume".to_owned(), reason };
    if let Some(reason) = no_run(Path::new(&location), folder.as_deref()) {
        return Err(refused(reason));
    }
    let read = async { Store::open(&location)?.newest().await };
    let (manifest, _) = read.await.map_err(|error| refused(error.to_string()))?;
    let given = args.settings_after(manifest.settings.validation)?;
    let has_pipeline = args.data.prepared()?.is_some();
    if let Some(flag) = of_other_pictures(&manifest.settings, &given, &args.said) {
        return Err(CliError::Settled { flag });
    }
    let mut settings = merged(&manifest.settings, &given, args, has_pipeline);
    manifest.fits(&settings).map_err(|error| match settled(&error, &args.said) {
        Some(flag) => CliError::Settled { flag },
        None => refused(error.to_string()),
    })?;
    settings.resume = Some(location);
    Ok(Resumed { settings, folder })
}

/// Why a place on this machine can't be a run, if that shows without looking at snapshots.
fn no_run(location: &Path, folder: Option<&Path>) -> Option<String> {
    let place = folder.unwrap_or(location);
    let shown = place.display();
    if place.join("journal.jsonl").exists() {
        return Some(format!("{shown} is a study: go on with `search`, `cross-validate` or `ensemble`"));
    }
    // A URL is no path from the root.
    (location.is_absolute() && !place.exists()).then(|| format!("there is nothing at {shown}"))
}

/// What a job is told without any flag.
pub(in crate::cli) fn defaults() -> Result<TrainSettings, CliError> {
    let none = NoFlags::try_parse_from(["train"]);
    let reason = |error: clap::Error| CliError::Flag { flag: "train".to_owned(), reason: error.to_string() };
    none.map_err(reason)?.args.settings()
}

/// The flag that sets a field of the settings, if there is one.
pub(in crate::cli) fn flag_of(field: &str) -> Option<String> {
    let long = match field {
        "learning_rate" => "lr".to_owned(),
        "synthetic pictures" => "synthetic".to_owned(),
        "top-k" | "compression" | "pull encoding" => "compress".to_owned(),
        "delayed nesterov every" => "momentum-every".to_owned(),
        other => other.replace(['_', ' '], "-"),
    };
    let is_there = NoFlags::command().get_arguments().any(|known| known.get_long() == Some(&long));
    is_there.then(|| format!("--{long}"))
}

/// The snapshots of a run, and its folder: `run` is the folder, that of the snapshots, or their URL.
fn locate(run: &str) -> (String, Option<PathBuf>) {
    let run = absolute(run);
    let path = Path::new(&run);
    if run.contains("://") {
        return (run, None);
    }
    let snapshots = path.join("snapshots");
    if snapshots.is_dir() {
        return (snapshots.to_string_lossy().into_owned(), Some(path.to_owned()));
    }
    let is_snapshots = path.file_name().is_some_and(|name| name == "snapshots");
    let folder = path.parent().filter(|_| is_snapshots).map(Path::to_owned);
    (run, folder)
}

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
fn settled(error: &SnapshotError, said: &Said) -> Option<String> {
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
        "mode" => MODE,
        "validation fraction" => &["validation_fraction"],
        "number of partitions" => &["partitions"],
        _ => &[],
    })
}

/// The flag that would have a run go on with other pictures than those that it was begun with.
fn of_other_pictures(run: &TrainSettings, given: &TrainSettings, said: &Said) -> Option<String> {
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

/// How values travel from now on. Pulls are compressed as pushes are, or not at all.
fn compression(run: Compression, given: Compression, said: &Said) -> Compression {
    let push = if said.has("compress") { given.push } else { run.push };
    let compresses_pulls = said.has("compress_pulls") || run.pull != Encoding::F32;
    Compression {
        push,
        pull: if compresses_pulls { push } else { Encoding::F32 },
        delta_pulls: said.has("delta_pulls") || run.delta_pulls,
    }
}

/// The settings of the run, with those of the flags that were given. Pictures that were prepared have their pipeline with
/// them.
fn merged(run: &TrainSettings, given: &TrainSettings, args: &Args, has_pipeline: bool) -> TrainSettings {
    let said = &args.said;
    macro_rules! pick {
        ($flags:expr, $($field:ident).+) => {
            if said.first($flags).is_some() { &given.$($field).+ } else { &run.$($field).+ }.clone()
        };
    }
    // The mode that it has, without what goes with it.
    let says_the_same =
        said.first(&MODE[1..]).is_none() && discriminant(&run.mode) == discriminant(&given.mode);
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
        mode: if says_the_same { run.mode } else { pick!(MODE, mode) },
        compression: compression(run.compression, given.compression, said),
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

#[cfg(test)]
mod tests {
    use howdah_proto::{
        Epoch,
        settings::{Monitor, RateShape},
    };

    use super::*;
    use crate::snapshot::{Manifest, example};

    /// What a run that was begun with `begun` has when it goes on with `now`, or the flag that makes it another one.
    fn gone_on(begun: &[&str], now: &[&str]) -> Result<TrainSettings, String> {
        let args = |words: &[&str]| {
            let parsed = NoFlags::try_parse_from(["train"].iter().chain(words));
            parsed.unwrap_or_else(|error| panic!("{error}")).args
        };
        let run = args(begun).settings().unwrap();
        let now = args(now);
        let given = now.settings_after(run.validation).unwrap();
        if let Some(flag) = of_other_pictures(&run, &given, &now.said) {
            return Err(flag);
        }
        let merged = merged(&run, &given, &now, false);
        let manifest = Manifest { settings: run, epoch: Epoch(1), ..example() };
        let refused = |error: SnapshotError| settled(&error, &now.said).unwrap_or_else(|| error.to_string());
        manifest.fits(&merged).map(|()| merged).map_err(refused)
    }

    #[test]
    fn flags_that_were_given_are_put_on_top_of_the_run_s_settings() {
        let begun = ["--epochs=3", "--label-smoothing=0.2", "--clip-norm=1", "--hidden=9", "--replicas=2"];
        let run = gone_on(&begun, &[]).unwrap();
        assert_eq!((run.epochs, run.shard_copies, &run.network.hidden), (3, 2, &vec![9]));
        // What is as it is by default counts too, where it was said.
        let now = gone_on(&begun, &["--epochs=12", "--clip-norm=2", "--replicas=1", "--hidden=9"]).unwrap();
        let learning = Learning { clip_norm: Some(2.0), ..run.learning.clone() };
        assert_eq!(now, TrainSettings { epochs: 12, learning, shard_copies: 1, ..run });
    }

    #[test]
    fn what_goes_together_is_kept_where_only_a_part_of_it_is_said() {
        let begun = ["--schedule=step", "--rate-step=0.3", "--warm-up=0.1", "--compress=bf16"];
        let learning = gone_on(&begun, &["--rate-step-epochs=4"]).unwrap().learning;
        let shape = RateShape::Step { every_epochs: 4, share: 0.3 };
        assert_eq!(learning.schedule, Schedule { shape, warm_up: 0.1 });
        let cosine = gone_on(&["--schedule=cosine"], &["--warm-up=0.2"]).unwrap().learning.schedule;
        assert_eq!(cosine, Schedule { shape: RateShape::Cosine, warm_up: 0.2 });

        let pulls = |now: &[&str]| gone_on(&begun, now).unwrap().compression;
        let both = |encoding| Compression { push: encoding, pull: encoding, delta_pulls: false };
        assert_eq!(pulls(&["--compress-pulls"]), both(Encoding::Bf16));
        let all = gone_on(&["--compress=bf16", "--compress-pulls"], &["--compress=int8"]).unwrap();
        assert_eq!(all.compression, both(Encoding::Int8));

        let moved = ["--data=/new"];
        let begun =
            ["--data=/old", "--classes", "cat=a", "dog=b", "--format=folder", "--mode=ssp", "--push-every=2"];
        let now = gone_on(&begun, &moved).unwrap();
        let DataSettings::Folder { train, classes, .. } = now.data else { panic!("{now:?}") };
        assert_eq!((train, classes.len()), (PathBuf::from("/new"), 2));
        assert_eq!(gone_on(&begun, &["--mode=ssp"]).unwrap().mode, now.mode);
    }

    #[test]
    fn what_was_not_said_of_the_validation_is_as_it_was() {
        let begun = ["--validation-fraction=0.2", "--monitor=accuracy"];
        let now = gone_on(&begun, &["--patience=3"]).unwrap().validation.unwrap();
        assert_eq!((now.fraction, now.monitor, now.patience), (0.2, Monitor::Accuracy, Some(3)));
    }

    #[test]
    fn a_flag_that_would_make_a_run_another_one_is_refused_by_name() {
        for (words, flag) in [
            (&["--lr=0.5"][..], "--lr"),
            (&["--hidden=7"], "--hidden"),
            (&["--mode=ssp"], "--mode"),
            (&["--batch=7"], "--batch"),
            (&["--seed=7"], "--seed"),
            (&["--size=32"], "--size"),
            (&["--correction=inverse"], "--correction"),
            (&["--validation-fraction=0.5"], "--validation-fraction"),
            (&["--data-seed=5"], "--data-seed"),
            (&["--synthetic=70"], "--synthetic"),
            (&["--test-fraction=0.5"], "--test-fraction"),
        ] {
            assert_eq!(gone_on(&["--batch=8"], words).map(drop), Err(flag.to_owned()));
        }
    }

    #[test]
    fn what_is_no_run_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("x");
        assert!(no_run(&missing, None).is_some_and(|reason| reason.contains("nothing at")));
        assert_eq!(no_run(folder.path(), None), None);
        assert_eq!(no_run(Path::new("s3://bucket/run"), None), None);
        std::fs::write(folder.path().join("journal.jsonl"), "").unwrap();
        assert!(no_run(folder.path(), None).is_some_and(|reason| reason.contains("is a study")));
    }

    #[test]
    fn a_field_is_named_as_the_flag_that_sets_it() {
        for (field, flag) in [
            ("learning_rate", Some("--lr")),
            ("weight_decay", Some("--weight-decay")),
            ("local_steps", Some("--local-steps")),
            ("synthetic pictures", Some("--synthetic")),
            ("delayed nesterov every", Some("--momentum-every")),
            ("train.settings", None),
        ] {
            assert_eq!(flag_of(field).as_deref(), flag, "{field}");
        }
    }

    #[test]
    fn a_run_is_found_by_its_folder_by_that_of_its_snapshots_and_by_a_url() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir_all(run.join("snapshots")).unwrap();
        let snapshots = run.join("snapshots").to_string_lossy().into_owned();
        assert_eq!(locate(&run.to_string_lossy()), (snapshots.clone(), Some(run.clone())));
        assert_eq!(locate(&snapshots), (snapshots, Some(run)));
        assert_eq!(locate("s3://bucket/run"), ("s3://bucket/run".to_owned(), None));
    }
}
