//! What other programs make of a model: `safetensors` and `onnxruntime` in Python.
//!
//! Set HOWDAH_PYTHON to a Python that has the packages in python/requirements.txt; else `python3` is tried.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use howdah_executor::learn::{Average, Combine, Model, Network, Replica, initial_weights};
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

/// Features of some samples, for a network that takes so many.
fn features(inputs: usize) -> Vec<Vec<f32>> {
    let row = |row: usize| (0..inputs).map(move |column| ((row * 31 + column * 17) % 23) as f32 / 8.0 - 1.4);
    (0..SAMPLES).map(|sample| row(sample).collect()).collect()
}

/// What a model says of each sample.
fn answers(model: &Model) -> Vec<Vec<f32>> {
    let mut replica = Replica::new(model.network.clone(), SAMPLES, 1).unwrap();
    replica.set_weights(&model.weights).unwrap();
    for (row, values) in features(model.network.inputs()).iter().enumerate() {
        replica.samples_mut().input_row(row).unwrap().copy_from_slice(values);
    }
    let mut average = Average::default();
    average.add(&mut replica, SAMPLES).unwrap();
    average.probabilities(SAMPLES)
}

/// What models say together, each of which takes the input of this name.
fn samples(models: &[Model], takes: &[&str], combine: Combine) -> serde_json::Value {
    let answers: Vec<_> = models.iter().map(answers).collect();
    let of_sample = |sample: usize| answers.iter().map(|answers| answers[sample].clone()).collect::<Vec<_>>();
    let probabilities: Vec<Vec<f32>> =
        (0..SAMPLES).map(|sample| combine.combine(&of_sample(sample))).collect();
    let inputs = models.iter().zip(takes);
    let features: BTreeMap<&str, _> =
        inputs.map(|(model, takes)| (*takes, features(model.network.inputs()))).collect();
    serde_json::json!({
        "features": features,
        "takes": takes,
        "combine": combine,
        "probabilities": probabilities,
    })
}

/// Exports models as one, and has Python compute the same.
fn compare(python: &Path, models: &[Model], samples: &serde_json::Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (onnx, given) = (path("model.onnx"), path("samples.json"));
    fs::write(&given, samples.to_string()).unwrap();
    let mut saved = Vec::new();
    for (place, model) in models.iter().enumerate() {
        saved.push(path(&format!("{place}.safetensors")));
        model.save(Path::new(&saved[place])).unwrap();
    }
    let mut export = vec!["export", "--onnx", &onnx, "--combine", samples["combine"].as_str().unwrap()];
    saved.iter().for_each(|file| export.extend(["--model", file]));
    let said = Process::driver(export).wait().success().stdout;
    assert!(said.contains(&format!("{} classes", models[0].classes.len())), "{said}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/interop.py");
    Command::new(python).args([script, &onnx, &given]).args(&saved).output().unwrap()
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn other_runtimes_compute_the_same_probabilities() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with numpy, onnxruntime and safetensors; set HOWDAH_PYTHON");
        return;
    };
    let (two, three) = (["cat", "dog \u{1F415}"], ["a", "b", "c"]);
    let agree = |models: &[Model], takes: &[&str], combine: Combine| {
        let compared = compare(&python, models, &samples(models, takes, combine));
        assert!(compared.status.success(), "{combine:?} of {takes:?}: {compared:?}");
    };
    for model in [model(&[5, 4], 6, &two), model(&[], 6, &two), model(&[8], 9, &three), model(&[], 3, &three)]
    {
        agree(&[model], &["features"], Combine::Average);
    }
    let mut others = model(&[4], 6, &two);
    others.weights.iter_mut().for_each(|weight| *weight *= -0.75);
    let mut wider = model(&[3], 8, &two);
    wider.pipeline.prepare.clear();
    let opposed = [model(&[5, 4], 6, &two), others, wider];
    for combine in [Combine::Average, Combine::Vote] {
        agree(&[model(&[8], 9, &three), model(&[2], 9, &three)], &["features"; 2], combine);
        agree(&opposed[..2], &["features"; 2], combine);
        agree(&opposed, &["features.0", "features.0", "features.1"], combine);
    }
    let model = [model(&[5], 6, &two)];
    let mut wrong = samples(&model, &["features"], Combine::Average);
    wrong["probabilities"][3][1] = serde_json::json!(0.125);
    assert!(!compare(&python, &model, &wrong).status.success(), "a wrong probability was not noticed");
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let ended = Process::driver(["export", "--model", "/nowhere/m.safetensors", "--onnx", "m.onnx"]).wait();
    ended.failure(1, &["/nowhere/m.safetensors"]);
    assert!(!Path::new("m.onnx").exists());
}
