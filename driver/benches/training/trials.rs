//! A search whose trials share a cluster and the prepared pictures, beside the same trainings one after the other.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;

const TRIALS: usize = 30;
const MAX_EPOCHS: &str = "9";
/// What all trainings have in common: a fifth of the training pictures is held out to judge by.
const FOLD: &str = "--fold=1/5";

/// Searches at random and with ASHA, and trains what the random search tried once more, each in a run of its own.
pub fn run() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = match std::env::var("HOWDAH_PICTURES") {
        Ok(folder) => format!("--data={folder}/train"),
        Err(_) => "--synthetic=1000".to_owned(),
    };
    let search = |algorithm: &str| {
        let output = folder.path().join(algorithm);
        let flags = [
            pictures.clone(),
            format!("--output={}", output.display()),
            format!("--algorithm={algorithm}"),
            format!("--trials={TRIALS}"),
            format!("--max-epochs={MAX_EPOCHS}"),
        ];
        (seconds("search", &flags), output)
    };
    let (random, output) = search("random");
    println!("a random search of {TRIALS} trials of {MAX_EPOCHS} epochs: {random:.1} s, {}", best(&output));
    let (asha, output_of_asha) = search("asha");
    println!("ASHA over the same {TRIALS} trials: {asha:.1} s, {}", best(&output_of_asha));
    let mut alone = 0.0;
    for (trial, flags) in tried(&output).into_iter().enumerate() {
        let own = folder.path().join(format!("alone-{trial}"));
        let fixed = [
            pictures.clone(),
            format!("--output={}", own.display()),
            format!("--epochs={MAX_EPOCHS}"),
            FOLD.to_owned(),
        ];
        alone += seconds("train", &[&fixed[..], &flags[..]].concat());
        let _ = fs::remove_dir_all(own);
    }
    println!(
        "{TRIALS} runs of `train` with the settings of the random search: {alone:.1} s, {:.2} times the random search \
         and {:.2} times ASHA",
        alone / random,
        alone / asha
    );
}

/// Runs a command of `howdah-driver` in a process of its own; gives its wall seconds.
fn seconds(command: &str, flags: &[String]) -> f64 {
    let started = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(command)
        .args(flags)
        .stdin(Stdio::null())
        .output()
        .expect("this program starts again");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command} {flags:?}: {errors}");
    started.elapsed().as_secs_f64()
}

/// The flags of each trial of a search.
fn tried(search: &Path) -> Vec<Vec<String>> {
    let journal = fs::read_to_string(search.join("journal.jsonl")).unwrap();
    let entries = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let started = entries.filter(|entry| entry["entry"] == "started");
    let flags = |entry: Value| {
        let flags = entry["flags"].as_object().unwrap();
        flags.iter().map(|(name, value)| format!("--{name}={}", value.as_str().unwrap())).collect()
    };
    started.map(flags).collect()
}

fn best(search: &Path) -> String {
    let summary: Value = serde_json::from_slice(&fs::read(search.join("search.json")).unwrap()).unwrap();
    format!("the best has an accuracy of {:.2} %", 100.0 * summary["best"]["accuracy"].as_f64().unwrap())
}
