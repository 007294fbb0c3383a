//! What a model is good for: `predict` and `evaluate`.

use std::{fs, path::PathBuf};

use howdah_tests::{
    pictures::{Pictures, files},
    process::{Ended, Process},
};
use tempfile::TempDir;

/// A trained model, the pictures it was trained on, and the folder for everything else.
pub(super) struct Trained {
    pub(super) pictures: Pictures,
    pub(super) folder: TempDir,
    pub(super) model: PathBuf,
}

impl Trained {
    pub(super) fn new() -> Self {
        let pictures = Pictures::draw(60);
        let folder = tempfile::tempdir().unwrap();
        let data = pictures.data.to_str().unwrap();
        let fixed = ["train", "--data", data, "--output", "run", "--size", "16", "--hidden", "8"];
        Process::start("howdah-driver", fixed, folder.path()).wait().success();
        let model = folder.path().join("run/model.safetensors");
        Self { pictures, folder, model }
    }

    pub(super) fn run(&self, command: &str, arguments: &[&str]) -> Ended {
        let fixed = [command, "--model", self.model.to_str().unwrap()];
        Process::start("howdah-driver", fixed.iter().chain(arguments), self.folder.path()).wait()
    }

    /// A good picture, a text with the name of a picture, and a file that isn't there.
    pub(super) fn mixed(&self) -> [String; 3] {
        let good = files(&self.pictures.data.join("cats"))[0].clone();
        let text = self.folder.path().join("diary.jpg");
        fs::write(&text, "Today I drew a cat.").unwrap();
        let gone = self.folder.path().join("gone.jpg");
        [good, text, gone].map(|path| path.to_str().unwrap().to_owned())
    }
}

#[test]
fn predict_classifies_the_good_files_and_names_the_bad_ones() {
    let trained = Trained::new();
    let [good, text, gone] = trained.mixed();
    let ended = trained.run("predict", &[&text, &good, &gone]);
    let ended = ended.failure(1, &[&text, &gone, "error: 2 of 3 pictures could not be classified"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ended.stdout);
    assert!(
        lines[0].contains(&format!("{text}: ")) && lines[2].contains(&format!("{gone}: ")),
        "{}",
        ended.stdout
    );
    assert!(lines[1].contains(" %") && lines[1].ends_with(&good), "{}", ended.stdout);
}

#[test]
fn predict_writes_json_lines_and_csv() {
    let trained = Trained::new();
    let [good, text, _] = trained.mixed();
    let json = trained.run("predict", &["--format", "jsonl", &good, &text]).failure(1, &[&text]);
    let lines: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["path"].as_str()), (2, Some(good.as_str())));
    let probabilities = lines[0]["probabilities"].as_object().unwrap();
    let sum: f64 = probabilities.values().map(|value| value.as_f64().unwrap()).sum();
    assert!(probabilities.len() == 2 && (sum - 1.0).abs() < 1e-5, "{lines:?}");
    assert_eq!(lines[0]["probability"], probabilities[lines[0]["class"].as_str().unwrap()]);
    assert!(lines[1]["error"].is_string(), "{lines:?}");

    let cats = trained.pictures.data.join("cats");
    let csv = trained.run("predict", &["--format", "csv", cats.to_str().unwrap()]).success().stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "path,class,probability,error");
    let paths: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(paths, files(&cats).iter().map(|file| file.to_str().unwrap()).collect::<Vec<_>>());
    for line in &lines[1..] {
        let fields: Vec<&str> = line.split(',').collect();
        assert!(["cats", "dogs"].contains(&fields[1]), "{line}");
        assert!((0.5..=1.0).contains(&fields[2].parse::<f64>().unwrap()), "{line}");
    }
}

#[test]
fn evaluate_shows_accuracy_balanced_accuracy_and_the_confusion_matrix() {
    let trained = Trained::new();
    let ended = trained.run("evaluate", &["--data", trained.pictures.data.to_str().unwrap()]).success();
    for word in ["true \\ predicted", "cats", "dogs", "accuracy", "balanced accuracy"] {
        assert!(ended.stdout.contains(word), "no `{word}` in: {}", ended.stdout);
    }
    let pictures = ended.stdout.lines().find(|line| line.starts_with("pictures")).unwrap();
    assert!(pictures.ends_with(" 60"), "{}", ended.stdout);
}

#[test]
fn evaluate_refuses_a_class_that_the_model_does_not_know() {
    let trained = Trained::new();
    trained.pictures.copy_class("cats", "lions");
    let ended = trained.run("evaluate", &["--data", trained.pictures.data.to_str().unwrap()]);
    ended.failure(1, &["`lions`", "cats, dogs"]);
}

#[test]
fn a_file_that_is_no_model_or_a_newer_one_is_refused_in_a_sentence() {
    let trained = Trained::new();
    let [good, ..] = trained.mixed();
    let predict = |name: &str, content: &[u8]| {
        let path = trained.folder.path().join(name);
        fs::write(&path, content).unwrap();
        let flags = ["predict", "--model", path.to_str().unwrap(), &good];
        let ended = Process::start("howdah-driver", flags, trained.folder.path()).wait();
        let ended = ended.failure(1, &["error: ", name]);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        ended.stderr
    };
    let whole = fs::read(&trained.model).unwrap();
    assert!(predict("text", b"I am no model.").contains("not a safetensors file"));
    assert!(predict("empty", b"").contains("not a safetensors file"));
    assert!(predict("half", &whole[..whole.len() / 2]).contains("cut off"));
    let (old, new) = (br#""howdah.format":"1""#, br#""howdah.format":"9""#);
    let place = whole.windows(old.len()).position(|window| window == old).unwrap();
    let mut newer = whole.clone();
    newer[place..place + old.len()].copy_from_slice(new);
    let message = predict("newer", &newer);
    assert!(message.contains("format version 9") && message.contains("use a newer Howdah"), "{message}");
}
