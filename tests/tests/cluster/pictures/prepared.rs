//! Pictures that were prepared train at once, and as if they hadn't been.

use std::{
    fs,
    path::{Path, PathBuf},
};

use howdah_proto::{
    event::{Event, StageKind},
    settings::{DataSettings, Mode, PrepareTo, TrainSettings, UpdateRule, Updates},
};
use howdah_tests::{
    cluster::Cluster,
    log,
    model::weights_in,
    pictures::{Pictures, files},
    process::{Ended, Process, Signal},
    settings::learning,
};
use serde_json::Value;

const SMALL: [&str; 8] = ["--executors", "2", "--pipeline", "seed", "--size", "16", "--denoise", "0"];

fn driver(command: &[&str], flags: &[&str], folder: &Path) -> Ended {
    Process::start("howdah-driver", command.iter().chain(flags), folder).wait()
}

fn manifest(set: &Path) -> Value {
    serde_json::from_slice(&fs::read(set.join("manifest.json")).unwrap()).unwrap()
}

fn shards(set: &Path) -> Vec<PathBuf> {
    files(set).into_iter().filter(|file| file.extension().is_some_and(|it| it == "samples")).collect()
}

/// A set of pixels that was prepared from 60 pictures.
fn prepared(folder: &Path) -> PathBuf {
    let pictures = Pictures::draw(60);
    let data = pictures.data.to_str().unwrap();
    driver(&["prepare", "--data", data, "--out", "set"], &SMALL, folder).success();
    folder.join("set")
}

#[test]
fn a_training_on_prepared_pictures_gives_the_weights_of_one_on_the_pictures_themselves() {
    let pictures = Pictures::draw(90);
    fs::write(pictures.data.join("cats/torn.jpg"), b"torn").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = pictures.data.to_str().unwrap();
    // Pixels with augmentation anew in each epoch; and features with views and operators that are fitted.
    for (name, pipeline) in [("pixels", &["--pipeline", "seed", "--size", "16"][..]), ("features", &[])] {
        let [set, before, after] = ["set", "before", "after"].map(|it| format!("{name}-{it}"));
        let train = ["--mode", "sync", "--epochs", "2", "--hidden", "8", "--seed", "3"];
        let split = ["--validation-fraction", "0.3"];
        let direct = ["train", "--data", data, "--output", &before, "--executors", "1"];
        driver(&direct, &[pipeline, &train, &split].concat(), folder.path()).success();
        let prepare = ["prepare", "--data", data, "--out", &set, "--partitions", "4", "--seed", "3"];
        let ended = driver(&prepare, &[pipeline, &split].concat(), folder.path()).success();
        assert!(ended.stdout.contains("1 picture left out"), "{}", ended.stdout);
        // Nothing is decoded any more.
        let hidden = pictures.data.with_extension("hidden");
        fs::rename(&pictures.data, &hidden).unwrap();
        let again = ["train", "--data", &set, "--output", &after, "--executors", "2"];
        driver(&again, &train, folder.path()).success();
        fs::rename(&hidden, &pictures.data).unwrap();
        let (before, after) = (folder.path().join(before), folder.path().join(after));
        assert!(weights_in(&before) == weights_in(&after), "{name}: the weights are others");
        let events = log::events(&after);
        let fitted = |event: &Event| {
            matches!(
                event,
                Event::OperatorFitted { .. } | Event::StageStarted { kind: StageKind::Fit { .. }, .. }
            )
        };
        assert!(!events.iter().any(fitted), "{name}: an operator is fitted again");
        let (report, expected) = (log::report(&events).clone(), log::report(&log::events(&before)).clone());
        assert_eq!((report.skipped_pictures, report.best_epoch), (1, expected.best_epoch));
        assert_eq!(report.test, expected.test);
        // What it was prepared with is in the model, so that pictures can be classified.
        let model = after.join("model.safetensors");
        let evaluate = ["evaluate", "--model", model.to_str().unwrap(), "--data", data];
        let ended = driver(&evaluate, &[], folder.path());
        assert!(ended.stdout.contains("accuracy") && ended.stderr.contains("torn.jpg"), "{}", ended.stderr);
    }
}

#[test]
fn the_manifest_says_what_is_in_a_set() {
    let folder = tempfile::tempdir().unwrap();
    let set = prepared(folder.path());
    let manifest = manifest(&set);
    assert_eq!(manifest["format"], "howdah prepared set");
    assert_eq!(manifest["classes"], serde_json::json!(["cats", "dogs"]));
    let sum =
        |value: &Value| value.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(&manifest["train"]["usable"]) + sum(&manifest["test"]["usable"]), 60);
    let balance: f64 =
        manifest["train"]["balance"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).sum();
    assert!((balance - 1.0).abs() < 1e-9);
    let [mean, deviation] = ["mean", "deviation"].map(|key| manifest["train"][key].as_f64().unwrap());
    assert!((1.0..255.0).contains(&mean) && (1.0..128.0).contains(&deviation), "{mean} {deviation}");
    let listed = manifest["shards"].as_array().unwrap();
    assert_eq!(listed.len(), shards(&set).len());
    for (entry, path) in listed.iter().zip(shards(&set)) {
        let bytes = fs::metadata(&path).unwrap().len();
        assert_eq!(
            (entry["file"].as_str(), entry["bytes"].as_u64()),
            (path.file_name().unwrap().to_str(), Some(bytes))
        );
    }
}

#[test]
fn sets_that_are_damaged_unfinished_or_others_are_refused_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let set = prepared(folder.path());
    let (path, whole) = (set.join("manifest.json"), fs::read(set.join("manifest.json")).unwrap());
    let mut number = 0;
    let mut refused = |flags: &[&str], words: &[&str]| {
        number += 1;
        let output = format!("run-{number}");
        let fixed = ["train", "--data", "set", "--epochs", "1", "--hidden", "8", "--output", &output];
        driver(&fixed, flags, folder.path()).failure(1, words);
    };
    refused(&["--pipeline", "hog"], &["prepared with the pipeline `seed`", "--pipeline"]);
    refused(&["--size", "32"], &["prepared with the pipeline `seed`"]);
    refused(&["--validation-fraction", "0.5"], &["without any for validation"]);
    refused(&["--test-fraction", "0.4"], &["--test-fraction: this was decided when"]);
    refused(&["--classes", "cat=cats", "dog=dogs"], &["--classes: this was decided when"]);

    let shard = &shards(&set)[0];
    let (name, content) = (shard.file_name().unwrap().to_str().unwrap(), fs::read(shard).unwrap());
    let mut damaged = content.clone();
    damaged[200] ^= 1;
    fs::write(shard, &damaged).unwrap();
    refused(&[], &[name, "its checksum is", "damaged"]);
    let mut foreign = content.clone();
    foreign[8..24].fill(7);
    fs::write(shard, &foreign).unwrap();
    refused(&[], &[name, "another prepared set"]);
    fs::write(shard, vec![0; content.len()]).unwrap();
    refused(&[], &[name, "no shard of a prepared set"]);
    fs::write(shard, &content[..content.len() - 1]).unwrap();
    refused(&[], &[name, "cut off"]);
    fs::remove_file(shard).unwrap();
    refused(&[], &[name, "manifest.json names this shard"]);
    fs::write(shard, &content).unwrap();

    let text = String::from_utf8(whole.clone()).unwrap();
    fs::write(&path, text.replace("\"version\": 1,", "\"version\": 9,")).unwrap();
    refused(&[], &["manifest.json has version 9", "prepare the pictures again"]);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused(&[], &["set"]);
    fs::remove_file(&path).unwrap();
    refused(&[], &["was not finished here", "no manifest.json"]);
    refused(&["--format", "prepared"], &["no manifest.json"]);
    fs::write(&path, &whole).unwrap();

    // What is no set of pictures can't be prepared, nor written over.
    let pictures = Pictures::draw(20);
    let data = pictures.data.to_str().unwrap();
    driver(&["prepare", "--data", data, "--out", "set", "--logs", "logs-1"], &SMALL, folder.path())
        .failure(1, &["set is not empty", "--out"]);
    driver(&["prepare", "--data", "set", "--out", "more", "--logs", "logs-2"], &SMALL, folder.path())
        .failure(1, &["prepared already"]);
    assert!(!folder.path().join("more/manifest.json").exists());
}

fn to_prepare(data: &Path, out: &Path) -> TrainSettings {
    let location = out.to_str().unwrap().to_owned();
    TrainSettings { prepare: Some(PrepareTo { location, pipeline_name: "own".to_owned() }), ..learning(data) }
}

#[test]
fn a_set_becomes_whole_though_an_executor_is_killed_and_trains_where_only_the_driver_sees_it() {
    let pictures = Pictures::draw(400);
    let cluster = Cluster::start();
    let set = cluster.folder().join("set");
    // No parameter server is needed to prepare.
    let members = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&to_prepare(&pictures.data, &set));
    job.wait_for("a task that is done", |event| matches!(event, Event::TaskSucceeded { .. }).then_some(()));
    members[1].send(Signal::KILL);
    let report = job.wait_for("the end", |event| match event {
        Event::JobPrepared(report) => Some((**report).clone()),
        _ => None,
    });
    assert_eq!(report.train.iter().chain(&report.test).sum::<u64>(), 400);
    assert_eq!(manifest(&set)["shards"].as_array().unwrap().len(), shards(&set).len());

    let _server = cluster.paramserver("paramserver");
    let settings = |train: &Path| TrainSettings {
        updates: Updates::Gradients,
        rule: UpdateRule::Adam { learning_rate: 1e-3 },
        mode: Mode::Synchronous { backups: 0 },
        ..learning(train)
    };
    // A name that leads there in the folder of the driver alone: each process has its own.
    let mut hidden = cluster.submit(&settings(Path::new("/proc/self/cwd/set")));
    let mut seen = cluster.submit(&settings(&pictures.data));
    let [hidden, seen] = [&mut hidden, &mut seen].map(|job| job.wait_for_report());
    let losses = |report: &howdah_proto::event::JobReport| {
        report.epochs.iter().map(|epoch| (epoch.train_loss, epoch.test_loss)).collect::<Vec<_>>()
    };
    assert_eq!(losses(&hidden), losses(&seen));
}

#[test]
fn a_set_that_was_written_to_a_url_is_found_there_and_one_from_elsewhere_is_told_from_its_manifest() {
    let pictures = Pictures::draw(60);
    let cluster = Cluster::start();
    let _members = [cluster.paramserver("paramserver"), cluster.executor("executor")];
    let url = format!("file://{}/a%20set", cluster.folder().display());
    let to = PrepareTo { location: url.clone(), pipeline_name: "own".to_owned() };
    let mut job = cluster.submit(&TrainSettings { prepare: Some(to), ..learning(&pictures.data) });
    job.wait_for("the end", |event| matches!(event, Event::JobPrepared(_)).then_some(()));
    assert!(cluster.folder().join("a set/manifest.json").exists());
    for place in [url.clone(), format!("{url}/manifest.json")] {
        let report = cluster.submit(&learning(Path::new(&place))).wait_for_report();
        assert_eq!(report.classes, ["cats", "dogs"]);
    }
    let mut other = learning(Path::new(&url));
    other.pipeline.views = 2;
    let told = cluster.submit(&other).wait_for("its end", |event| match event {
        Event::JobFailed { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert!(told.contains("pipeline `own`"), "{told}");
    let DataSettings::Folder { train, .. } = other.data else { panic!() };
    assert!(train.to_str().unwrap().contains("%20"));
}
