//! Pictures, prepared sets and snapshots in object stores, and what follows when these fail.

use std::{fs, path::Path};

use howdah_proto::event::Event;
use howdah_tests::{
    log,
    model::weights_in,
    pictures::{Pictures, files},
    process::{Ended, Process},
    store::{Behaviour, Server},
};
use tempfile::TempDir;

/// A small synchronous training: its weights depend on the pictures and their order alone.
const SMALL: [&str; 6] = ["--mode", "sync", "--hidden", "8", "--executors", "1"];

type Environment = [(String, String)];

fn driver(flags: &[&str], folder: &Path, environment: &Environment) -> Ended {
    Process::knowing("howdah-driver", flags, folder, environment).wait()
}

fn train(flags: &[&str], output: &str, folder: &Path, environment: &Environment) -> Ended {
    driver(&[&["train", "--output", output], flags, &SMALL[..]].concat(), folder, environment)
}

/// The weights of a training of one epoch.
fn weights(data: &str, output: &str, folder: &Path, environment: &Environment) -> Vec<u8> {
    train(&["--epochs", "1", "--data", data], output, folder, environment).success();
    weights_in(&folder.join(output))
}

fn pack(data: &Path, to: &Path) {
    let mut tar = tar::Builder::new(fs::File::create(to).unwrap());
    for class in ["cats", "dogs"] {
        for file in files(&data.join(class)) {
            let name = format!("{class}/{}", file.file_name().unwrap().to_str().unwrap());
            tar.append_path_with_name(&file, name).unwrap();
        }
    }
    tar.finish().unwrap();
}

/// Where the pictures of the bucket lie.
const PICTURES: &str = "buckets/mine/pictures";

/// A folder, and a server with a bucket in it that has 60 pictures.
fn bucket() -> (TempDir, Server) {
    let pictures = Pictures::draw(60);
    let folder = tempfile::tempdir().unwrap();
    for class in ["cats", "dogs"] {
        let to = folder.path().join(PICTURES).join(class);
        fs::create_dir_all(&to).unwrap();
        for file in files(&pictures.data.join(class)) {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    let server = Server::s3(&folder.path().join("buckets"));
    (folder, server)
}

#[test]
fn tar_files_and_prepared_sets_on_an_http_server_train_the_weights_of_those_here() {
    let pictures = Pictures::draw(60);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    pack(&pictures.data, &folder.join("set.tar"));
    let server = Server::web(folder);
    let url = server.url();
    let expected = weights("set.tar", "from-file", folder, &[]);
    assert!(weights(&format!("{url}/set.tar"), "from-http", folder, &[]) == expected);
    let prepare = ["prepare", "--data", "set.tar", "--out", "set", "--partitions", "4", "--executors", "1"];
    driver(&prepare, folder, &[]).success();
    for place in [format!("{url}/set"), format!("{url}/set/manifest.json")] {
        let output = format!("from-set-{}", place.len());
        assert!(weights(&place, &output, folder, &[]) == expected, "{place}");
    }
    let nowhere = format!("{url}/nowhere.tar");
    train(&["--data", &nowhere], "none", folder, &[])
        .failure(1, &["nowhere.tar can't be read", "it isn't there"]);
    let snapshots = ["--data", "set.tar", "--snapshots", &url];
    train(&snapshots, "unkept", folder, &[]).failure(2, &["can't keep snapshots", "s3, gs or az"]);
}

#[test]
fn pictures_prepared_sets_and_snapshots_in_s3_are_as_good_as_those_in_folders() {
    let (folder, server) = bucket();
    let folder = folder.path();
    let environment = server.environment();
    let here = folder.join(PICTURES).to_str().unwrap().to_owned();
    let there = "s3://mine/pictures";
    let expected = weights(&here, "here", folder, &[]);

    let kept = ["--epochs", "1", "--data", there, "--snapshots", "s3://mine/run"];
    train(&kept, "there", folder, &environment).success();
    assert!(weights_in(&folder.join("there")) == expected);

    train(&["--epochs", "2", "--data", &here], "twice", folder, &[]).success();
    let resume =
        ["train", "--resume", "s3://mine/run", "--epochs", "2", "--executors", "1", "--output", "on"];
    driver(&resume, folder, &environment).success();
    assert!(weights_in(&folder.join("on")) == weights_in(&folder.join("twice")));

    let set = "s3://mine/set";
    let prepare = ["prepare", "--data", there, "--out", set, "--partitions", "4", "--executors", "1"];
    driver(&prepare, folder, &environment).success();
    assert!(weights(set, "from-set", folder, &environment) == expected);
    driver(&prepare, folder, &environment).failure(1, &["s3://mine/set is not empty"]);

    let predict = ["predict", "--model", "there/model.safetensors", "--format", "jsonl", there];
    let predicted = driver(&predict, folder, &environment).success();
    assert_eq!(predicted.stdout.lines().filter(|line| line.contains("s3://mine/pictures/")).count(), 60);
}

#[test]
fn training_goes_on_while_a_store_of_snapshots_hangs() {
    let (folder, server) = bucket();
    let folder = folder.path();
    let environment = server.environment();
    let begun = ["train", "--output", "on", "--epochs", "60", "--data", PICTURES];
    let kept = ["--snapshots", "s3://mine/run"];
    let flags = [&begun[..], &kept, &SMALL].concat();
    let mut training = Process::knowing("howdah-driver", flags, folder, &environment);
    training.wait_for_line("epoch 1/60");
    server.behave(Behaviour::Hangs);
    training.wait_for_line("epoch 60/60");
    assert!(server.hung() > 0);
    server.behave(Behaviour::Well);
    training.wait().success();

    let events = log::events(&folder.join("on"));
    let end = events.iter().rposition(|event| matches!(event, Event::EpochFinished { .. })).unwrap();
    let given_up = events[..end].iter().find(|event| matches!(event, Event::SnapshotFailed { .. }));
    assert_eq!(given_up, None, "nothing hung for long");
    let kept = events[end..].iter().any(|event| matches!(event, Event::SnapshotTaken { .. }));
    assert!(kept, "{:?}", &events[end..]);
    train(&["--epochs", "60", "--data", PICTURES], "alone", folder, &[]).success();
    assert!(weights_in(&folder.join("on")) == weights_in(&folder.join("alone")));
}

#[test]
fn a_store_that_fails_is_asked_again_and_then_named() {
    let (folder, server) = bucket();
    let folder = folder.path();
    let (environment, data) = (server.environment(), ["--epochs", "1", "--data", "s3://mine/pictures"]);

    server.behave(Behaviour::Busy(5));
    train(&data, "busy", folder, &environment).success();

    // It knows the pictures by then, and not all of them are read.
    server.behave(Behaviour::GoneAfter(60));
    train(&data, "gone", folder, &environment).failure(1, &["s3://mine/pictures/", "can't be read"]);
    server.behave(Behaviour::GoneAfter(0));
    train(&data, "away", folder, &environment).failure(1, &["s3://mine/pictures", "can't be read"]);
    server.behave(Behaviour::Well);

    let mut foreign = environment;
    foreign[1].1 = "ANOTHER".to_owned();
    train(&data, "denied", folder, &foreign)
        .failure(1, &["s3://mine/pictures can't be read", "access is denied"]);

    pack(&folder.join(PICTURES), &folder.join("set.tar"));
    let web = Server::web(folder);
    web.behave(Behaviour::CutShort);
    let cut = format!("{}/set.tar", web.url());
    train(&["--data", &cut], "cut", folder, &[]).failure(1, &["set.tar can't be read"]);
}
