//! What an evaluation on the cluster gives is what anyone can compute from the predictions, however the pictures are cut.

use std::{fs, path::Path};

use howdah_proto::{
    event::{JobReport, Metrics},
    settings::{Mode, Monitor, TrainSettings, UpdateRule, Updates, Validation},
};
use howdah_tests::{
    cluster::Cluster,
    pictures::{Pictures, files},
    process::{Ended, Process},
    settings::learning,
};
use serde_json::Value;

fn run(arguments: &[&str], folder: &Path) -> Ended {
    Process::start("howdah-driver", arguments, folder).wait()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What a model predicts for the pictures of a folder for each class: the class, and the probabilities of all classes.
fn predictions(model: &Path, data: &Path, classes: &[String], folder: &Path) -> Vec<(usize, Vec<f64>)> {
    let mut predictions = Vec::new();
    for (truth, class) in classes.iter().enumerate() {
        let pictures = data.join(class);
        let model = model.to_str().unwrap();
        let flags = ["predict", "--model", model, "--format", "jsonl", pictures.to_str().unwrap()];
        for picture in run(&flags, folder).success().stdout.lines().map(json) {
            let probability = |class: &String| picture["probabilities"][class].as_f64().unwrap();
            predictions.push((truth, classes.iter().map(probability).collect()));
        }
    }
    predictions
}

fn assert_near(what: &str, got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-5, "{what}: {got} instead of {expected}");
}

/// Compares metrics with what the textbooks' definitions give, computed picture by picture and pair by pair.
fn assert_are_of(metrics: &Metrics, predictions: &[(usize, Vec<f64>)]) {
    let pictures = predictions.len() as f64;
    assert_eq!(metrics.pictures, predictions.len() as u64);
    let best = |p: &[f64]| (0..p.len()).fold(0, |best, class| if p[class] > p[best] { class } else { best });
    let classes = predictions[0].1.len();
    let mut confusion = vec![vec![0u64; classes]; classes];
    predictions.iter().for_each(|(truth, p)| confusion[*truth][best(p)] += 1);
    assert_eq!(metrics.confusion, confusion);
    let right = |class: usize| confusion[class][class] as f64;
    assert_near("accuracy", metrics.accuracy, (0..classes).map(right).sum::<f64>() / pictures);
    let loss = predictions.iter().map(|(truth, p)| -p[*truth].ln()).sum::<f64>() / pictures;
    assert_near("loss", metrics.loss, loss);
    let mut areas = Vec::new();
    for (class, of_class) in metrics.classes.iter().enumerate() {
        let support: u64 = confusion[class].iter().sum();
        let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
        assert_eq!((of_class.pictures, of_class.predicted), (support, predicted));
        assert_near("recall", of_class.recall.unwrap(), right(class) / support as f64);
        if predicted > 0 {
            assert_near("precision", of_class.precision.unwrap(), right(class) / predicted as f64);
        }
        assert_near("F1", of_class.f1.unwrap(), 2.0 * right(class) / (support + predicted) as f64);
        let (positives, negatives): (Vec<_>, Vec<_>) =
            predictions.iter().partition(|(truth, _)| *truth == class);
        let pairs = positives.iter().flat_map(|p| negatives.iter().map(|n| (p.1[class], n.1[class])));
        let won = pairs
            .map(|(p, n)| {
                if p > n {
                    1.0
                } else if p == n {
                    0.5
                } else {
                    0.0
                }
            })
            .sum::<f64>();
        let area = won / (positives.len() * negatives.len()) as f64;
        assert_near("ROC-AUC of a class", of_class.roc_auc.unwrap(), area);
        areas.push(area);
        let interval = of_class.intervals.recall.unwrap();
        assert!(interval.low <= of_class.recall.unwrap() && of_class.recall.unwrap() <= interval.high);
    }
    assert_near("ROC-AUC", metrics.roc_auc.unwrap(), areas.iter().sum::<f64>() / areas.len() as f64);
    let mut bins = [(0.0, 0.0); 15];
    for (truth, p) in predictions {
        let confidence = p[best(p)];
        let bin = &mut bins[((confidence * 15.0).ceil() as usize).clamp(1, 15) - 1];
        bin.0 += confidence;
        bin.1 += f64::from(u8::from(best(p) == *truth));
    }
    let error = bins.iter().map(|(confidence, right)| (confidence - right).abs()).sum::<f64>() / pictures;
    assert_near("calibration error", metrics.calibration_error, error);
}

#[test]
fn the_metrics_of_a_run_are_those_of_its_predictions() {
    let pictures = Pictures::draw(80);
    let held_out = Pictures::draw(60);
    // A third class that looks like the first: something to confuse, and more than one logit.
    [&pictures, &held_out].iter().for_each(|pictures| pictures.copy_class("cats", "lions"));
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = (pictures.data.to_str().unwrap(), held_out.data.to_str().unwrap());
    for (executors, partitions) in [("1", "2"), ("3", "5")] {
        let output = format!("run-{executors}");
        let fixed =
            ["train", "--data", train, "--test", test, "--output", &output, "--size", "16", "--hidden", "8"];
        let flags = ["--executors", executors, "--partitions", partitions, "--epochs", "2", "--onnx"];
        run(&[&fixed[..], &flags[..]].concat(), folder.path()).success();
        let output = folder.path().join(output);
        let model = output.join("model.safetensors");
        let written = json(&fs::read_to_string(output.join("metrics.json")).unwrap());
        assert_eq!(written["version"], 2);
        let metrics: Metrics = serde_json::from_value(written["test"].clone()).unwrap();
        let classes: Vec<String> = serde_json::from_value(written["classes"].clone()).unwrap();
        assert_are_of(&metrics, &predictions(&model, &held_out.data, &classes, folder.path()));

        let model = model.to_str().unwrap();
        let evaluated =
            run(&["evaluate", "--model", model, "--data", test, "--json"], folder.path()).success();
        let evaluated: Metrics = serde_json::from_str(&evaluated.stdout).unwrap();
        assert_eq!((evaluated.pictures, &evaluated.confusion), (metrics.pictures, &metrics.confusion));
        assert_near("ROC-AUC", evaluated.roc_auc.unwrap(), metrics.roc_auc.unwrap());

        let card = fs::read_to_string(output.join("model.md")).unwrap();
        let [cats, dogs] = ["cats", "dogs"].map(|class| files(&held_out.data.join(class)).len());
        assert!(card.contains(&format!("### On {} held-out pictures", 2 * cats + dogs)), "{card}");
        let row = format!("| lions | {} | {cats} |", files(&pictures.data.join("lions")).len());
        assert!(card.contains(&row) && card.contains("| ROC-AUC |"), "no `{row}` in {card}");

        let exported = folder.path().join("exported.onnx");
        run(&["export", "--model", model, "--onnx", exported.to_str().unwrap()], folder.path()).success();
        assert!(fs::read(output.join("model.onnx")).unwrap() == fs::read(exported).unwrap());
    }
}

#[test]
fn metrics_are_the_same_bits_with_one_and_with_three_executors() {
    let pictures = Pictures::draw(120);
    let settings = TrainSettings {
        updates: Updates::Gradients,
        rule: UpdateRule::Adam { learning_rate: 1e-3 },
        mode: Mode::Synchronous { backups: 0 },
        validation: Some(Validation { fraction: 0.3, monitor: Monitor::Loss, patience: None }),
        ..learning(&pictures.data)
    };
    // Held-out pictures are cut into a partition for each slot.
    let report = |executors: usize| -> JobReport {
        let cluster = Cluster::start();
        let _server = cluster.paramserver("server");
        let _executors: Vec<_> =
            (0..executors).map(|number| cluster.executor(&format!("executor-{number}"))).collect();
        cluster.submit(&settings).wait_for_report()
    };
    let (one, three) = (report(1), report(3));
    assert!(one.test.as_ref().is_some_and(|test| test.pictures >= 10), "{:?}", one.test);
    assert!(one.validation.as_ref().is_some_and(|validation| validation.pictures >= 10));
    assert_eq!(one.test, three.test);
    assert_eq!(one.validation, three.validation);
}
