use clap::Parser;
use howdah_paramserver::role::process::Ending;

use howdah_proto::settings::{
    ClassWeights, Compression, DataSettings, Encoding, Learning, Mode, Monitor, NetworkSettings, Optimizer,
    PushEvery, RateShape, Schedule, SnapshotSettings, UpdateRule, Updates, Validation,
};

use super::*;

#[derive(Parser)]
struct Only {
    #[command(flatten)]
    args: Args,
}

fn parsed(flags: &[&str]) -> Args {
    Only::try_parse_from(["train"].iter().chain(flags)).unwrap_or_else(|error| panic!("{error}")).args
}

#[test]
fn the_seed_pipeline_comes_with_the_seed_workflow() {
    let settings = parsed(&["--pipeline", "seed"]).settings().unwrap();
    assert_eq!(
        settings.network,
        NetworkSettings { hidden: vec![256, 128], dropout: 0.3, input_dropout: 0.0 }
    );
    assert_eq!((settings.epochs, settings.batch), (5, 32));
    assert!(matches!(settings.data, DataSettings::Synthetic { .. }));
}

#[test]
fn without_a_flag_features_are_learned_by_the_recipe_for_features() {
    let settings = parsed(&[]).settings().unwrap();
    assert_eq!(settings.network, NetworkSettings { hidden: vec![256], dropout: 0.5, input_dropout: 0.5 });
    assert!(settings.pipeline.mirror_average && settings.learning.label_smoothing == 0.1);
    let optimizer = Optimizer::AdamW { learning_rate: 1e-3, weight_decay: 0.1 };
    assert_eq!(settings.updates, Updates::Deltas { optimizer });
}

#[test]
fn a_rule_moves_the_updates_to_the_servers_and_pushes_every_step() {
    let settings = parsed(&["--rule", "momentum", "--lr", "0.1"]).settings().unwrap();
    let rule = UpdateRule::Momentum { learning_rate: 0.1, momentum: 0.9 };
    assert_eq!((settings.updates, settings.rule), (Updates::Gradients, rule));
    assert_eq!(settings.mode, Mode::Asynchronous { push_every: PushEvery::Steps(1) });
}

#[test]
fn classes_are_mapped_from_folders_and_a_class_given_twice_is_refused() {
    let flags = ["--data", "/pictures", "--classes", "cat=Leopards,cougar_face", "dog=dalmatian"];
    let DataSettings::Folder { classes, .. } = parsed(&flags).settings().unwrap().data else {
        panic!("no folder")
    };
    assert_eq!(classes["cat"], ["Leopards", "cougar_face"]);
    let twice = ["--data", "/pictures", "--classes", "cat=a", "cat=b"];
    assert!(parsed(&twice).settings().unwrap_err().to_string().contains("`cat` is there twice"));
}

#[test]
fn what_a_replica_does_with_a_batch_is_set_by_flags() {
    let settings = |flags: &[&str]| parsed(&[&["--pipeline", "seed"], flags].concat()).settings().unwrap();
    assert_eq!(settings(&[]).learning, Learning::default());
    let all = settings(&[
        "--optimizer",
        "adamw",
        "--weight-decay",
        "0.2",
        "--schedule",
        "one-cycle",
        "--warm-up",
        "0.1",
        "--clip-norm",
        "5",
        "--l2",
        "0.01",
        "--label-smoothing",
        "0.1",
        "--class-weights",
        "balanced",
        "--average",
        "0.99",
        "--input-dropout",
        "0.5",
    ]);
    let learning = Learning {
        schedule: Schedule { shape: RateShape::OneCycle { rise: 0.25 }, warm_up: 0.1 },
        schedule_epochs: None,
        label_smoothing: 0.1,
        class_weights: ClassWeights::Balanced,
        clip_norm: Some(5.0),
        l2: 0.01,
        average: Some(0.99),
    };
    assert_eq!((all.learning, all.network.input_dropout), (learning, 0.5));
    let optimizer = Optimizer::AdamW { learning_rate: 5e-4, weight_decay: 0.2 };
    assert_eq!(all.updates, Updates::Deltas { optimizer });
    let stepped = settings(&["--schedule", "step", "--rate-step", "0.5", "--rate-step-epochs", "2"]);
    assert_eq!(stepped.learning.schedule.shape, RateShape::Step { every_epochs: 2, share: 0.5 });
    let given = settings(&["--class-weights", "1,2.5"]).learning.class_weights;
    assert_eq!(given, ClassWeights::Given(vec![1.0, 2.5]));
}

#[test]
fn nonsense_is_refused_by_the_name_of_its_setting() {
    for (flags, name) in [
        (&["--epochs", "0"][..], "epochs"),
        (&["--batch", "0"], "batch"),
        (&["--dropout", "1"], "dropout"),
        (&["--lr=-1"], "--lr: "),
        (&["--lr", "nan"], "--lr: "),
        (&["--hidden", "256,0"], "hidden"),
        (&["--class-weights", "many"], "--class-weights"),
        (&["--label-smoothing", "1"], "--label-smoothing: "),
        (&["--mode", "hogwild", "--average", "0.9"], "average"),
        (&["--data", "/x", "--test-fraction", "1.5"], "--test-fraction: "),
        (&["--synthetic", "3"], "synthetic"),
        (&["--mode", "sync", "--partitions", "1025"], "--partitions: in this mode it must be from 1 to 1024"),
        (&["--mode", "local", "--partitions", "1025"], "--partitions: "),
    ] {
        let error = parsed(flags).settings().unwrap_err();
        assert!(error.to_string().contains(name), "{flags:?}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn a_cluster_uses_every_core_once() {
    let shape = |flags: &[&str], cores| {
        let options = parsed(flags).cluster.options(cores, PathBuf::new());
        (options.executors, options.slots, options.threads)
    };
    assert_eq!(shape(&[], 1), (1, 1, 1));
    assert_eq!(shape(&[], 2), (2, 1, 1));
    assert_eq!(shape(&[], 64), (4, 16, 1));
    assert_eq!(shape(&["--executors", "2", "--slots", "1"], 8), (2, 1, 4));
    assert_eq!(shape(&["--executors", "5"], 2), (5, 1, 1));
}

#[test]
fn modes_have_the_rules_and_updates_of_their_papers() {
    let exchange = |flags: &[&str]| {
        let settings = parsed(&[&["--pipeline", "seed"], flags].concat()).settings().unwrap();
        (settings.mode, settings.updates, settings.rule)
    };
    let adam = Updates::Deltas { optimizer: Optimizer::Adam { learning_rate: 5e-4 } };
    let (mode, updates, rule) = exchange(&["--mode", "sync"]);
    assert_eq!((mode, updates), (Mode::Synchronous { backups: 0 }, Updates::Gradients));
    assert_eq!(rule, UpdateRule::Adam { learning_rate: 5e-4 });
    let outer = UpdateRule::Nesterov { learning_rate: 0.7, momentum: 0.9 };
    assert_eq!(exchange(&["--mode", "local"]), (Mode::Local { steps: 32 }, adam, outer));
    let hogwild = Mode::Hogwild { push_every: PushEvery::Steps(8) };
    assert_eq!(exchange(&["--mode", "hogwild"]), (hogwild, adam, UpdateRule::Sum));
    let (mode, ..) = exchange(&["--mode", "ssp", "--staleness", "2", "--push-every", "epoch"]);
    assert_eq!(mode, Mode::BoundedStaleness { push_every: PushEvery::Epoch, staleness: 2 });
    let (_, updates, rule) = exchange(&["--rule", "elastic"]);
    assert!(matches!((updates, rule), (Updates::Weights { .. }, UpdateRule::Elastic { .. })));
    let (_, updates, rule) = exchange(&["--rule", "delayed-nesterov", "--optimizer", "sgd", "--lr", "0.1"]);
    assert_eq!(updates, Updates::Deltas { optimizer: Optimizer::Sgd { learning_rate: 0.1 } });
    assert_eq!(rule, UpdateRule::DelayedNesterov { learning_rate: 0.7, momentum: 0.9, every: 8 });
}

#[test]
fn validation_is_set_by_its_fraction_and_its_other_flags_need_it() {
    let validation = |flags: &[&str]| parsed(flags).settings().map(|settings| settings.validation);
    assert_eq!(validation(&[]).unwrap(), None);
    let plain = Validation { fraction: 0.2, monitor: Monitor::Loss, patience: None };
    assert_eq!(validation(&["--validation-fraction", "0.2"]).unwrap(), Some(plain));
    let all = ["--validation-fraction", "0.2", "--patience", "3", "--monitor", "accuracy"];
    let watched = Validation { monitor: Monitor::Accuracy, patience: Some(3), ..plain };
    assert_eq!(validation(&all).unwrap(), Some(watched));
    for (flags, name) in [
        (&["--patience", "3"][..], "--patience"),
        (&["--monitor", "loss"], "--monitor"),
        (&["--validation-fraction", "1"], "--validation-fraction: "),
        (&["--validation-fraction", "0.2", "--patience", "0"], "--patience: "),
    ] {
        let error = validation(flags).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn compression_is_of_pushes_and_of_pulls_when_asked() {
    let compression = |flags: &[&str]| parsed(flags).settings().unwrap().compression;
    let bf16 = Compression { push: Encoding::Bf16, ..Compression::default() };
    assert_eq!(compression(&["--compress", "bf16"]), bf16);
    assert_eq!(compression(&["--compress", "bf16", "--compress-pulls"]).pull, Encoding::Bf16);
    assert_eq!(compression(&["--compress", "topk:5"]).push, Encoding::TopK { permille: 5 });
    assert!(Only::try_parse_from(["train", "--compress", "zip"]).is_err());
}

#[test]
fn steps_are_counted_in_bf16_only_where_few_are_in_a_push() {
    let counting = |every: &str| {
        let trains = parsed(&["--compress", "bf16", "--push-every", every]).settings().unwrap();
        TrainSettings { updates: Updates::Ones, rule: UpdateRule::Sum, ..trains }.validate()
    };
    assert_eq!(counting("256"), Ok(()));
    for every in ["257", "epoch"] {
        let error = counting(every).unwrap_err().to_string();
        assert!(error.contains("256"), "{error}");
    }
}

#[test]
fn snapshots_go_to_the_run_unless_told_otherwise() {
    let place = |flags: &[&str], run: Option<&str>| {
        let settings = parsed(flags).snapshots.settings(run.map(std::path::Path::new));
        settings.map(|settings| (settings.location, settings.every_seconds))
    };
    assert_eq!(place(&[], Some("/runs/a")), Some(("/runs/a/snapshots".to_owned(), 10)));
    assert_eq!(place(&[], None), None);
    assert_eq!(place(&["--no-snapshots"], Some("/runs/a")), None);
    let url = place(&["--snapshots", "s3://b/c", "--snapshot-every", "3"], Some("/runs/a"));
    assert_eq!(url, Some(("s3://b/c".to_owned(), 3)));
}

#[test]
fn a_run_that_goes_on_keeps_how_often_and_where_snapshots_are_taken() {
    let place = |flags: &[&str], earlier: &str, from: (&str, bool), run: Option<&str>| {
        // As that of a part of a study has it.
        let earlier = SnapshotSettings { location: earlier.to_owned(), every_seconds: 60, goes_on: true };
        let from = GoesOnFrom { snapshots: from.0, is_own: from.1 };
        let args = parsed(flags);
        let run = run.map(std::path::Path::new);
        let settings = args.snapshots.settings_after(earlier, &args.said, from, run);
        assert!(settings.as_ref().is_none_or(|settings| !settings.goes_on));
        settings.map(|settings| (settings.location, settings.every_seconds))
    };
    let (here, url) = (Some("/runs/b"), "s3://bucket/a");
    let (own, elsewhere) = (("/runs/b/snapshots", true), ("/srv/a", false));
    // The folder of the run has moved, or another one was given.
    assert_eq!(place(&[], "/runs/a/snapshots", own, here), Some(("/runs/b/snapshots".to_owned(), 60)));
    assert_eq!(place(&[], "/runs/a/snapshots", own, Some("/x")), Some(("/x/snapshots".to_owned(), 60)));
    assert_eq!(place(&[], "/runs/a/snapshots", own, None), Some((own.0.to_owned(), 60)));
    // It has none.
    assert_eq!(place(&[], "/srv/a", elsewhere, here), Some(("/srv/a".to_owned(), 60)));
    assert_eq!(place(&[], "/srv/old", elsewhere, here), Some(("/srv/a".to_owned(), 60)));
    assert_eq!(place(&[], url, (url, false), here), Some((url.to_owned(), 60)));
    assert_eq!(place(&[], url, own, here), Some((url.to_owned(), 60)));
    assert_eq!(place(&["--snapshot-every=10"], "/srv/a", elsewhere, None), Some(("/srv/a".to_owned(), 10)));
    assert_eq!(place(&["--snapshots=/srv/b"], url, (url, false), here), Some(("/srv/b".to_owned(), 60)));
    assert_eq!(place(&["--no-snapshots"], url, (url, false), here), None);
}

#[test]
#[cfg(unix)]
fn a_link_to_where_a_run_goes_on_from_is_the_same_place() {
    let folder = tempfile::tempdir().unwrap();
    let [real, link] = ["real", "link"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let args = parsed(&["--snapshots", &link]);
    let earlier = SnapshotSettings { location: real.clone(), every_seconds: 60, goes_on: false };
    let from = GoesOnFrom { snapshots: &real, is_own: false };
    let settings = args.snapshots.settings_after(earlier, &args.said, from, None);
    assert_eq!(settings.map(|settings| settings.location), Some(real));
}

#[test]
fn a_part_of_a_study_has_a_place_of_its_own() {
    let place = |flags: &[&str]| {
        let mut args = parsed(flags);
        args.snapshots.go_below("digits-3");
        args.snapshots.settings(None).map(|settings| settings.location)
    };
    assert_eq!(place(&["--snapshots=s3://b/c/"]), Some("s3://b/c/digits-3".to_owned()));
    assert_eq!(place(&[]), None);
}

#[test]
fn snapshots_that_could_not_be_written_are_refused_at_once() {
    for url in ["https://host/run", "ftp://host/run"] {
        let error = parsed(&["--snapshots", url]).settings().unwrap_err().to_string();
        assert!(error.starts_with("--snapshots: ") && error.contains(url), "{error}");
    }
    assert!(parsed(&["--snapshots", "runs/here"]).settings().is_ok());
}

#[test]
fn a_folder_that_snapshots_can_be_written_to_is_left_as_it_was_and_another_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let try_out =
        |place: &std::path::Path| parsed(&["--snapshots", place.to_str().unwrap()]).snapshots.try_out();
    try_out(&folder.path().join("new")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = try_out(&file.join("below")).unwrap_err().to_string();
    assert!(error.starts_with("--snapshots: ") && error.contains("file/below can't be written"), "{error}");
    assert!(parsed(&[]).snapshots.try_out().is_ok());
}
