//! Several models that answer together.

use std::{collections::BTreeMap, fs, path::Path};

use howdah_tests::{pictures::Pictures, process::Process};
use serde_json::Value;

const SMALL: [&str; 14] = [
    "--pipeline",
    "seed",
    "--size",
    "16",
    "--hidden",
    "8",
    "--batch",
    "8",
    "--epochs",
    "2",
    "--executors",
    "2",
    "--slots",
    "1",
];

fn train(command: &str, flags: &[&str], pictures: &Pictures, folder: &Path) {
    let fixed = [command, "--data", pictures.data.to_str().unwrap(), "--output", "run"];
    Process::start("howdah-driver", fixed.iter().chain(&SMALL).chain(flags), folder).wait().success();
}

/// The class of each picture, and the probability that it is the first one.
fn predicted(
    models: &[&str],
    flags: &[&str],
    pictures: &Pictures,
    folder: &Path,
) -> BTreeMap<String, (String, f64)> {
    let models = models.iter().flat_map(|model| ["--model", model]);
    let fixed = ["predict", "--format", "jsonl"].into_iter().chain(models).chain(flags.iter().copied());
    let data = pictures.data.to_str().unwrap();
    let ended = Process::start("howdah-driver", fixed.chain([data]), folder).wait().success();
    let rows = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let row = |row: Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        (text("path"), (text("class"), row["probabilities"]["cats"].as_f64().unwrap()))
    };
    rows.map(row).collect()
}

#[test]
fn the_members_of_an_ensemble_differ_and_answer_together_by_averaging_or_voting() {
    let (pictures, folder) = (Pictures::draw(60), tempfile::tempdir().unwrap());
    let folder = folder.path();
    train("ensemble", &["--members", "3", "--onnx"], &pictures, folder);
    let members = [0, 1, 2].map(|member| format!("run/trials/{member:04}/model.safetensors"));
    let alone = members.each_ref().map(|member| predicted(&[member], &[], &pictures, folder));
    assert!(alone[0] != alone[1] && alone[1] != alone[2]);
    for card in ["run/model.md", "run/trials/0000/model.md", "run/trials/0002/model.md"] {
        let text = fs::read_to_string(folder.join(card)).unwrap();
        assert!(text.contains("classes of pictures apart"), "{card}: {text}");
    }

    let averaged = predicted(&["run"], &[], &pictures, folder);
    assert_eq!(averaged.len(), alone[0].len());
    for (path, (_, probability)) in &averaged {
        let mean = alone.iter().map(|one| one[path].1).sum::<f64>() / 3.0;
        assert!((probability - mean).abs() < 1e-6, "{path}: {probability} is not {mean}");
    }
    // Files that are named one by one answer as their ensemble does.
    let named = members.each_ref().map(String::as_str);
    assert_eq!(predicted(&named, &["--combine", "average"], &pictures, folder), averaged);

    let voted = predicted(&["run"], &["--combine", "vote"], &pictures, folder);
    for (path, (class, _)) in &voted {
        let votes = alone.iter().filter(|one| &one[path].0 == class).count();
        assert!(votes >= 2, "{path}: {votes} of 3 say {class}");
    }

    let export = ["export", "--model", "run", "--onnx", "again.onnx"];
    let said = Process::start("howdah-driver", export, folder).wait().success().stdout;
    assert!(said.contains("from 256 features") && said.contains("by 3 models"), "{said}");
    let onnx = |path: &str| fs::read(folder.join(path)).unwrap();
    assert!(onnx("run/model.onnx") == onnx("again.onnx"));

    let data = pictures.data.to_str().unwrap();
    let evaluate = ["evaluate", "--model", "run", "--data", data];
    let ended = Process::start("howdah-driver", evaluate, folder).wait().success();
    let right = |one: &BTreeMap<String, (String, f64)>| {
        one.iter().filter(|(path, (class, _))| path.contains(&format!("/{class}/"))).count()
    };
    let share = 100.0 * right(&averaged) as f64 / averaged.len() as f64;
    assert!(ended.stdout.contains(&format!("{share:.2} %")), "{share}: {}", ended.stdout);
}

#[test]
fn an_ensemble_that_is_gone_on_with_answers_as_it_was_begun_to() {
    let (pictures, folder) = (Pictures::draw(60), tempfile::tempdir().unwrap());
    train("ensemble", &["--members", "2", "--combine", "vote"], &pictures, folder.path());
    let file = folder.path().join("run/ensemble.json");
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("vote"), "{written}");
    fs::remove_file(&file).unwrap();
    let resume = ["ensemble", "--resume", "run"];
    Process::start("howdah-driver", resume, folder.path()).wait().success();
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn the_models_of_a_cross_validation_answer_together() {
    let (pictures, folder) = (Pictures::draw(60), tempfile::tempdir().unwrap());
    train("cross-validate", &["-k", "2"], &pictures, folder.path());
    let models = [0, 1].map(|fold| format!("run/trials/{fold:04}/model.safetensors"));
    let models = models.each_ref().map(String::as_str);
    let together = predicted(&["run"], &[], &pictures, folder.path());
    assert_eq!(together, predicted(&models, &[], &pictures, folder.path()));
}

#[test]
fn models_of_other_classes_can_not_answer_together() {
    let (pictures, folder) = (Pictures::draw(60), tempfile::tempdir().unwrap());
    train("train", &[], &pictures, folder.path());
    fs::rename(folder.path().join("run"), folder.path().join("two")).unwrap();
    pictures.copy_class("cats", "birds");
    train("train", &[], &pictures, folder.path());
    let words = ["evaluate", "--model", "two", "--model", "run", "--data", pictures.data.to_str().unwrap()];
    let ended = Process::start("howdah-driver", words, folder.path()).wait();
    ended.failure(1, &["run/model.safetensors", "birds, cats, dogs", "cats, dogs"]);
}
