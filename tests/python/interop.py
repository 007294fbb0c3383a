"""Computes the networks of models with numpy on what `safetensors` reads, and with onnxruntime on what was exported of
them together, and compares both with the probabilities that Howdah gave.

    interop.py model.onnx samples.json model.safetensors...
"""

import json
import sys

import numpy
import onnxruntime
from safetensors import safe_open


def by_numpy(file, features):
    layers = sum(name.endswith(".weight") for name in file.keys())
    values = features.astype(numpy.float64)
    for layer in range(layers):
        if layer > 0:
            values = numpy.maximum(values, 0)
        values = values @ file.get_tensor(f"layers.{layer}.weight") + file.get_tensor(f"layers.{layer}.bias")
    if values.shape[1] == 1:
        values = numpy.concatenate([numpy.zeros_like(values), values], axis=1)
    values = numpy.exp(values - values.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def by_vote(answers):
    classes = answers.shape[2]
    shares = numpy.mean([numpy.eye(classes)[answer.argmax(axis=1)] for answer in answers], axis=0)
    tie = min(0.5 / len(answers) ** 2, 0.01)
    return shares * (1 - tie) + answers.mean(axis=0) * tie


def main(onnx, samples, *models):
    with open(samples, encoding="utf-8") as file:
        samples = json.load(file)
    features = {name: numpy.array(rows, dtype=numpy.float32) for name, rows in samples["features"].items()}
    expected = numpy.array(samples["probabilities"], dtype=numpy.float32)

    answers, pipelines = [], []
    for model, takes in zip(models, samples["takes"], strict=True):
        with safe_open(model, framework="numpy") as file:
            classes = json.loads(file.metadata()["howdah.classes"])
            pipelines.append(json.loads(file.metadata()["howdah.pipeline"]))
            answers.append(by_numpy(file, features[takes]))
    answers = numpy.array(answers)
    combined = by_vote(answers) if samples["combine"] == "vote" else answers.mean(axis=0)
    numpy.testing.assert_allclose(combined, expected, rtol=1e-4, atol=1e-6)

    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["howdah.classes"]) == classes, metadata
    if len(models) == 1:
        assert json.loads(metadata["howdah.pipeline"]) == pipelines[0], metadata
    else:
        assert json.loads(metadata["howdah.combine"]) == samples["combine"], metadata
        for pipeline, takes in zip(pipelines, samples["takes"], strict=True):
            place = [taken.name for taken in session.get_inputs()].index(takes)
            assert json.loads(metadata["howdah.pipelines"])[place] == pipeline, metadata
    for rows in (len(expected), 1):
        (got,) = session.run(["probabilities"], {name: values[:rows] for name, values in features.items()})
        assert got.shape == (rows, len(classes)), got.shape
        numpy.testing.assert_allclose(got, expected[:rows], rtol=1e-4, atol=1e-6)
    print(f"all agree on {len(expected)} samples of {len(classes)} classes")


main(*sys.argv[1:])
