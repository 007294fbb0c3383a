//! What other programs make of a model: `safetensors` and `onnxruntime` in Python.
//!
//! Set HOWDAH_PYTHON to a Python that has the packages in python/requirements.txt; else `python3` is tried.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use howdah_executor::learn::{Average, Model, Network, Replica, initial_weights};
use howdah_proto::settings::{NetworkSettings, Pipeline};
use howdah_tests::process::Process;

const SAMPLES: usize = 7;

/// A Python that can compare; none if there is no such thing, which is an error if one was named.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("HOWDAH_PYTHON").map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let tried = Command::new(&python).args(["-c", "import numpy, onnxruntime, safetensors"]).output();
    let works = tried.as_ref().is_ok_and(|tried| tried.status.success());
    assert!(works || named.is_none(), "{} can't import what is needed: {tried:?}", python.display());
    works.then_some(python)
}

fn model(hidden: &[u32], inputs: usize, classes: &[&str]) -> Model {
    let settings = NetworkSettings { hidden: hidden.to_vec(), dropout: 0.3, input_dropout: 0.2 };
    let network = Network::new(&settings, inputs, classes.len()).unwrap();
    let mut weights = initial_weights(&network, 11);
    // Biases begin at 0, where a wrong one would not be noticed.
    for layer in network.layers() {
        for (index, bias) in weights[layer.bias.clone()].iter_mut().enumerate() {
            *bias = 0.1 * index as f32 - 0.25;
        }
    }
    Model {
        weights,
        network,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        pipeline: serde_json::from_str::<Pipeline>(
            r#"{"prepare":[{"operator":"resize","version":1,"params":{"width":2}}],"feed":[]}"#,
        )
        .unwrap(),
        settings: serde_json::json!({"epochs": 1}),
    }
}

/// Features of some samples, and what the replica says of them.
fn samples(model: &Model) -> serde_json::Value {
    let inputs = model.network.inputs();
    let features: Vec<Vec<f32>> = (0..SAMPLES)
        .map(|row| (0..inputs).map(|column| ((row * 31 + column * 17) % 23) as f32 / 8.0 - 1.4).collect())
        .collect();
    let mut replica = Replica::new(model.network.clone(), SAMPLES, 1).unwrap();
    replica.set_weights(&model.weights).unwrap();
    for (row, values) in features.iter().enumerate() {
        replica.input_row(row).unwrap().copy_from_slice(values);
    }
    let mut average = Average::default();
    average.add(&mut replica, SAMPLES).unwrap();
    serde_json::json!({ "features": features, "probabilities": average.probabilities(SAMPLES) })
}

fn compare(python: &Path, model: &Model, samples: &serde_json::Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (saved, onnx, given) = (path("model.safetensors"), path("model.onnx"), path("samples.json"));
    model.save(Path::new(&saved)).unwrap();
    fs::write(&given, samples.to_string()).unwrap();
    let said = Process::driver(["export", "--model", &saved, "--onnx", &onnx]).wait().success().stdout;
    assert!(said.contains(&format!("{} classes", model.classes.len())), "{said}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/interop.py");
    Command::new(python).args([script, &saved, &onnx, &given]).output().unwrap()
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn other_runtimes_compute_the_same_probabilities() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with numpy, onnxruntime and safetensors; set HOWDAH_PYTHON");
        return;
    };
    let (two, three) = (["cat", "dog \u{1F415}"], ["a", "b", "c"]);
    for model in [model(&[5, 4], 6, &two), model(&[], 6, &two), model(&[8], 9, &three), model(&[], 3, &three)]
    {
        let compared = compare(&python, &model, &samples(&model));
        assert!(
            compared.status.success(),
            "{}: {compared:?}",
            serde_json::to_string(&model.network).unwrap()
        );
    }
    let model = model(&[5], 6, &two);
    let mut wrong = samples(&model);
    wrong["probabilities"][3][1] = serde_json::json!(0.125);
    assert!(!compare(&python, &model, &wrong).status.success(), "a wrong probability was not noticed");
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let ended = Process::driver(["export", "--model", "/nowhere/m.safetensors", "--onnx", "m.onnx"]).wait();
    ended.failure(1, &["/nowhere/m.safetensors"]);
    assert!(!Path::new("m.onnx").exists());
}
