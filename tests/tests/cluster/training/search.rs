//! Searches, cross-validations, and jobs that share what is prepared.

use std::{collections::BTreeMap, fs, path::Path};

use howdah_proto::{
    event::{Event, StageKind},
    settings::{Fold, Mode, Selection, TrainSettings, UpdateRule, Updates},
};
use howdah_tests::{
    cluster::Cluster,
    deadline::look_until,
    job::Job,
    log,
    model::weights,
    pictures::Pictures,
    process::{Process, Signal, send},
    settings::learning,
};
use serde_json::Value;

const SMALL: [&str; 16] = [
    "--pipeline",
    "seed",
    "--size",
    "16",
    "--hidden",
    "8",
    "--batch",
    "8",
    "--partitions",
    "2",
    "--executors",
    "2",
    "--shards",
    "1",
    "--slots",
    "1",
];

fn start(command: &str, pictures: &Pictures, folder: &Path, flags: &[&str]) -> Process {
    let data = pictures.data.to_str().unwrap();
    let fixed = [command, "--data", data, "--output", "run"];
    Process::start("howdah-driver", fixed.iter().chain(&SMALL).chain(flags), folder)
}

fn search(pictures: &Pictures, folder: &Path, flags: &[&str]) -> Process {
    fs::write(folder.join("space.toml"), "lr = { log-uniform = [1e-4, 1e-2] }\ndropout = [0.0, 0.5]")
        .unwrap();
    let fixed = ["--space", "space.toml", "--reduction", "2", "--concurrent", "2"];
    let flags: Vec<&str> = fixed.iter().chain(flags).copied().collect();
    start("search", pictures, folder, &flags)
}

/// A line of a journal.
fn journal(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("run/journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How often each trial was started on each rung, and its flags.
fn started(journal: &[Value]) -> BTreeMap<(u64, u64), Vec<String>> {
    let mut started: BTreeMap<(u64, u64), Vec<String>> = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry["entry"] == "started") {
        let number = |name: &str| entry["assignment"][name].as_u64().unwrap();
        started.entry((number("trial"), number("rung"))).or_default().push(entry["flags"].to_string());
    }
    started
}

fn ended(journal: &[Value]) -> Vec<&Value> {
    journal.iter().filter(|entry| entry["entry"] == "ended").collect()
}

#[test]
fn a_search_that_is_killed_goes_on_with_the_same_trials_and_repeats_none_that_has_ended() {
    let (pictures, folder) = (Pictures::draw(80), tempfile::tempdir().unwrap());
    let mut killed = search(&pictures, folder.path(), &["--trials", "6", "--max-epochs", "4", "--onnx"]);
    let family = killed.family().clone();
    for _ in 0..3 {
        killed.wait_for_line(" lr=");
    }
    killed.send(Signal::KILL);
    killed.wait();
    family.wait_until_gone();
    let before = journal(folder.path());
    assert!(ended(&before).len() >= 3, "{before:?}");

    // A line that was not written to its end.
    let path = folder.path().join("run/journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{{\"entry\":\"sta")).unwrap();

    let resume = ["search", "--resume", "run", "--concurrent", "2"];
    let done = Process::start("howdah-driver", resume, folder.path()).wait().success();
    assert!(done.stdout.contains("best    trial "), "{}", done.stdout);
    assert!(done.stdout.contains("train   howdah-driver train "), "{}", done.stdout);
    let after = journal(folder.path());
    assert_eq!(after[..before.len()], before[..]);

    let started = started(&after);
    assert!(started.values().all(|flags| flags.len() == 1), "{started:?}");
    assert_eq!(started.keys().filter(|(_, rung)| *rung == 0).count(), 6);
    assert_eq!(ended(&after).len(), started.len());
    for ((trial, rung), flags) in &started {
        assert_eq!(flags, &started[&(*trial, 0)], "trial {trial} has other settings on rung {rung}");
    }
    // A promoted trial goes on from its snapshot.
    for (trial, _) in started.keys().filter(|(_, rung)| *rung > 0) {
        let events = log::events(&folder.path().join(format!("run/trials/{trial:04}")));
        let rungs = started.keys().filter(|(other, rung)| other == trial && *rung > 0).count();
        let resumed = events.iter().filter(|event| matches!(event, Event::Resumed { .. })).count();
        assert!(resumed >= rungs, "trial {trial} has begun anew: {events:#?}");
    }
    let csv = fs::read_to_string(folder.path().join("run/trials.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + started.len(), "{csv}");
    for model in ["run/model.safetensors", "run/model.onnx"] {
        assert!(folder.path().join(model).exists(), "{model}");
    }
    let card = fs::read_to_string(folder.path().join("run/model.md")).unwrap();
    assert!(card.contains("chose the settings, among those of a search"), "{card}");

    // What has ended stays as it is.
    let again = Process::start("howdah-driver", resume, folder.path()).wait().success();
    assert_eq!(again.stdout, done.stdout);
    assert_eq!(journal(folder.path()), after);
    let other = resume.iter().chain(&["--trials", "7"]);
    Process::start("howdah-driver", other, folder.path()).wait().failure(2, &["--trials: it was settled"]);
}

#[test]
fn an_interrupted_search_says_how_to_go_on() {
    let (pictures, folder) = (Pictures::draw(80), tempfile::tempdir().unwrap());
    let mut process = search(&pictures, folder.path(), &["--trials", "4", "--max-epochs", "1000000"]);
    let family = process.family().clone();
    process.wait_for_line(" lr=");
    process.send(Signal::INT);
    process.wait().failure(130, &["interrupted", "howdah-driver search --resume "]);
    assert!(family.living().is_empty());
}

#[test]
fn a_trial_is_not_given_up_for_what_is_in_its_place() {
    let (pictures, folder) = (Pictures::draw(80), tempfile::tempdir().unwrap());
    let snapshot = folder.path().join("saved/run-0/snapshot-0000000001");
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(snapshot.join("manifest.json"), "{").unwrap();
    let process =
        search(&pictures, folder.path(), &["--trials", "2", "--max-epochs", "2", "--snapshots", "saved"]);
    process.wait().failure(1, &["run-0/snapshot-0000000001/manifest.json", "howdah-driver search --resume "]);
    let before = journal(folder.path());
    assert!(ended(&before).iter().all(|entry| entry["trial"] != 0), "{before:?}");

    fs::remove_dir_all(&snapshot).unwrap();
    Process::start("howdah-driver", ["search", "--resume", "run"], folder.path()).wait().success();
    let after = journal(folder.path());
    assert!(ended(&after).iter().all(|entry| entry["outcome"]["outcome"] == "trained"), "{after:?}");
}

#[test]
fn a_refit_that_was_interrupted_goes_on_also_with_what_was_drawn_to_no_effect() {
    let (pictures, folder) = (Pictures::draw(80), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("space.toml"), "weight-decay = [0.1, 0.2]").unwrap();
    let flags = "--optimizer sgd --space space.toml --algorithm random --trials 1 --max-epochs 300 --snapshots saved --refit";
    let flags: Vec<&str> = flags.split(' ').collect();
    let process = start("search", &pictures, folder.path(), &flags);
    look_until("a whole snapshot of the refit", || {
        let mut snapshots = fs::read_dir(folder.path().join("saved/run-refit")).ok()?;
        snapshots.any(|snapshot| snapshot.unwrap().path().join("manifest.json").exists()).then_some(())
    });
    process.send(Signal::INT);
    process.wait().failure(130, &["howdah-driver search --resume ", "--refit"]);

    let resume = ["search", "--resume", "run", "--refit"];
    Process::start("howdah-driver", resume, folder.path()).wait().success();
    let events = log::events(&folder.path().join("run/refit"));
    assert!(events.iter().any(|event| matches!(event, Event::Resumed { .. })), "{events:?}");
    assert!(folder.path().join("run/refit/model.safetensors").exists());
}

#[test]
fn executors_that_are_killed_during_a_search_cost_no_trial() {
    let (pictures, folder) = (Pictures::draw(80), tempfile::tempdir().unwrap());
    // It isn't over before the loss is noticed.
    let flags = ["--trials", "60", "--max-epochs", "8"];
    let mut process = search(&pictures, folder.path(), &flags);
    let family = process.family().clone();
    process.wait_for_line(" lr=");
    let victims = family.with_argument("executor-1");
    assert!(!victims.is_empty());
    victims.iter().for_each(|victim| send(*victim, Signal::KILL));
    look_until("another executor in its place", || {
        family.with_argument("executor-1").into_iter().find(|executor| !victims.contains(executor))
    });
    process.wait().success();
    let journal = journal(folder.path());
    let ended = ended(&journal);
    assert!(ended.iter().all(|entry| entry["outcome"]["outcome"] == "trained"), "{ended:?}");
    assert_eq!(started(&journal).len(), ended.len());
}

#[test]
fn a_space_with_a_name_that_is_no_flag_is_refused_before_anything_starts() {
    let (pictures, folder) = (Pictures::draw(20), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("wrong.toml"), "droput = [0.1]").unwrap();
    let process = start("search", &pictures, folder.path(), &["--space", "wrong.toml"]);
    process.wait().failure(2, &["wrong.toml", "`droput`", "is `dropout` meant?", "hidden"]);
    assert!(!folder.path().join("run").exists());
}

#[test]
fn a_cross_validation_holds_every_picture_out_once_and_prepares_it_once() {
    let (pictures, folder) = (Pictures::draw(60), tempfile::tempdir().unwrap());
    let process = start("cross-validate", &pictures, folder.path(), &["-k", "3", "--epochs", "2"]);
    let ended = process.wait().success();
    assert!(ended.stdout.contains("deviation"), "{}", ended.stdout);
    let text = fs::read_to_string(folder.path().join("run/cross-validation.json")).unwrap();
    let results: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(results["folds"].as_array().unwrap().len(), 3);
    assert!(results["accuracy"]["deviation"].is_f64(), "{text}");
    let (mut held_out, mut prepared) = (0, 0);
    for fold in 0..3 {
        let events = log::events(&folder.path().join(format!("run/trials/{fold:04}")));
        for event in &events {
            match event {
                Event::DatasetListed { test, .. } => held_out += test.iter().sum::<u64>(),
                Event::StageStarted { kind: StageKind::Prepare, tasks, .. } => prepared += tasks,
                _ => {}
            }
        }
    }
    // A fifth of the pictures is the test set, which is not used.
    assert!((40..=56).contains(&held_out), "{held_out}");
    // Two partitions train in each fold, so each fold is one.
    assert_eq!(prepared, 3);
}

#[test]
fn a_second_job_computes_no_block_again_and_learns_the_same() {
    let pictures = Pictures::draw(80);
    let cluster = Cluster::start();
    let _server = cluster.paramserver("server");
    // A second one might join too late for the first job, whose pictures would be cut otherwise.
    let _executor = cluster.executor("one");
    let settings = TrainSettings {
        updates: Updates::Gradients,
        rule: UpdateRule::Momentum { learning_rate: 0.05, momentum: 0.9 },
        mode: Mode::Synchronous { backups: 0 },
        ..learning(&pictures.data)
    };
    let prepares = |job: &Job| {
        let stage = |event: &Event| matches!(event, Event::StageStarted { kind: StageKind::Prepare, .. });
        job.heard.iter().filter(|event| stage(event)).count()
    };
    let mut first = cluster.submit(&settings);
    let computed = weights(&cluster, &mut first);
    let mut second = cluster.submit(&settings);
    assert_eq!(weights(&cluster, &mut second), computed);
    assert_eq!((prepares(&first), prepares(&second)), (1, 0));
    let shared = second.heard.iter().any(|event| matches!(event, Event::BlocksShared { partitions: 5, .. }));
    assert!(shared, "{:?}", second.heard);

    // Folds have blocks of their own, which they share with each other.
    let fold = |number| TrainSettings {
        selection: Selection { fold: Some(Fold { number, of: 3 }), seed: None },
        ..settings.clone()
    };
    let mut folds = [1, 2].map(|number| cluster.submit(&fold(number)));
    folds.iter_mut().for_each(|fold| drop(fold.wait_for_report()));
    assert_eq!(folds.iter().map(prepares).sum::<usize>(), 1);
}
