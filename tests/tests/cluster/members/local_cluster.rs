//! A training on a cluster of its own leaves its results, and nothing else.

use std::{fs, path::Path};

use howdah_proto::event::Event;
use howdah_tests::{
    deadline::look_until,
    log,
    pictures::files,
    process::{Process, Signal, send},
};

const SMALL: [&str; 13] = [
    "train",
    "--synthetic",
    "60",
    "--size",
    "16",
    "--hidden",
    "8",
    "--executors",
    "2",
    "--shards",
    "2",
    "--output",
    "run",
];

/// The command itself, two executors and two parameter servers.
const PROCESSES: usize = 5;

fn train(flags: &[&str], folder: &Path) -> Process {
    Process::start("howdah-driver", SMALL.iter().chain(flags), folder)
}

/// Starts a training that would go on for hours, and waits until it trains.
fn train_for_hours(folder: &Path) -> Process {
    let mut process = train(&["--epochs", "1000000"], folder);
    process.wait_for_line("epoch 1/");
    process
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(folder).into_iter().map(name).collect()
}

#[test]
fn a_training_writes_its_output_folder_and_nothing_else_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let process = train(&["--epochs", "2"], folder.path());
    let family = process.family().clone();
    let ended = process.wait().success();
    assert!(family.living().is_empty());
    assert!(ended.stdout.contains("held out"), "{}", ended.stdout);

    assert_eq!(names(folder.path()), ["run"]);
    let run = folder.path().join("run");
    let results =
        ["events.jsonl", "logs", "metrics.json", "model.md", "model.safetensors", "snapshots", "synthetic"];
    assert_eq!(names(&run), results);
    let logs = ["executor-1.log", "executor-2.log", "paramserver-1.log", "paramserver-2.log"];
    assert_eq!(names(&run.join("logs")), logs);

    let events = log::events(&run);
    assert!(matches!(events[0], Event::JobSubmitted { .. }), "{:?}", events[0]);
    let report = log::report(&events);
    assert_eq!((report.epochs.len(), report.executors_lost), (2, 0));
    let metrics = fs::read_to_string(run.join("metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(metrics["train"]["batches_applied"], report.batches);
    assert_eq!(metrics["test"]["pictures"], 12);
}

#[test]
fn a_driver_that_is_killed_takes_its_children_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let process = train_for_hours(folder.path());
    let family = process.family().clone();
    assert_eq!(family.living().len(), PROCESSES);
    process.send(Signal::KILL);
    assert_eq!(process.wait().code, None);
    family.wait_until_gone();
}

#[test]
fn an_interrupted_training_exits_with_130_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let process = train_for_hours(folder.path());
    let family = process.family().clone();
    assert_eq!(family.living().len(), PROCESSES);
    process.send(Signal::INT);
    process.wait().failure(130, &["interrupted"]);
    assert!(family.living().is_empty());
    let events = log::events(&folder.path().join("run"));
    assert!(matches!(events.last(), Some(Event::JobCancelled { .. })), "{:?}", events.last());
}

#[test]
fn a_training_of_which_every_process_was_killed_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = train(&["--epochs", "400"], folder.path());
    let family = process.family().clone();
    let snapshots = folder.path().join("run/snapshots");
    look_until("a whole snapshot", || {
        let mut folders = fs::read_dir(&snapshots).ok()?;
        folders.any(|snapshot| snapshot.unwrap().path().join("manifest.json").exists()).then_some(())
    });
    // It can't start others, nor let them end by themselves.
    process.send(Signal::STOP);
    for name in ["executor-1", "executor-2", "paramserver-1", "paramserver-2"] {
        family.with_argument(name).into_iter().for_each(|id| send(id, Signal::KILL));
    }
    process.kill();
    family.wait_until_gone();
    let resume = ["train", "--resume", "run", "--executors", "1"];
    Process::start("howdah-driver", resume, folder.path()).wait().success();
    let events = log::events(&folder.path().join("run"));
    assert!(events.iter().any(|event| matches!(event, Event::Resumed { .. })), "{events:?}");
    let report = log::report(&events);
    assert_eq!(report.epochs.len(), 400);
    assert!(report.shards.iter().all(|shard| shard.batches_applied == report.batches), "{report:?}");
}

#[test]
fn a_run_whose_snapshots_are_elsewhere_goes_on_there_and_no_other_run_begins_there() {
    let folder = tempfile::tempdir().unwrap();
    train(&["--epochs", "1", "--snapshots", "saved"], folder.path()).wait().success();
    for (before, epochs, output) in [(1, "2", "on"), (2, "3", "further")] {
        let resume =
            ["train", "--resume", "saved", "--epochs", epochs, "--executors", "1", "--output", output];
        Process::start("howdah-driver", resume, folder.path()).wait().success();
        let events = log::events(&folder.path().join(output));
        let went_on = events.iter().find_map(|event| match event {
            Event::Resumed { epoch, .. } => Some(epoch.0),
            _ => None,
        });
        assert_eq!(went_on, Some(before), "{events:?}");
        assert!(!folder.path().join(output).join("snapshots").exists());
    }
    let other =
        ["train", "--synthetic", "60", "--executors", "1", "--snapshots", "saved", "--output", "other"];
    Process::start("howdah-driver", other, folder.path())
        .wait()
        .failure(1, &["there are snapshots already in ", "--resume "]);
}

#[test]
fn executors_that_are_killed_are_started_again_and_the_training_ends_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = train(&["--epochs", "200", "--batch", "1"], folder.path());
    let family = process.family().clone();
    process.wait_for_line("epoch 1/");
    // Without any executor the training can't end before one is started again.
    let victims = ["executor-1", "executor-2"].map(|name| {
        let [victim] = family.with_argument(name)[..] else { panic!("{name}: {:?}", family.living()) };
        victim
    });
    victims.into_iter().for_each(|victim| send(victim, Signal::KILL));
    process.wait_for_line("the job goes on");
    process.wait().success();
    assert!(family.living().is_empty());
    let events = log::events(&folder.path().join("run"));
    let report = log::report(&events);
    assert_eq!(report.executors_lost, 2);
    assert!(report.shards.iter().all(|shard| shard.batches_applied == report.batches), "{report:?}");
}

#[test]
fn a_folder_without_classes_fails_by_its_name_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("no-classes-here");
    fs::create_dir(&data).unwrap();
    let flags = ["train", "--data", "no-classes-here", "--output", "run", "--executors", "1"];
    let process = Process::start("howdah-driver", flags, folder.path());
    let family = process.family().clone();
    process.wait().failure(1, &["error: the job failed: ", "no-classes-here", "at least two classes"]);
    assert!(family.living().is_empty());
}

#[test]
fn an_output_folder_with_something_in_it_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    fs::write(folder.path().join("run/thesis.txt"), "years of work").unwrap();
    train(&[], folder.path()).wait().failure(1, &["is not empty", "--output"]);
    assert_eq!(names(&folder.path().join("run")), ["thesis.txt"]);
}
