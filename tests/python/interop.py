"""Computes a model's network with numpy on what `safetensors` reads, and with onnxruntime on what was exported, and
compares both with the probabilities that Howdah gave.

    interop.py model.safetensors model.onnx samples.json
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


def main(model, onnx, samples):
    with open(samples, encoding="utf-8") as file:
        samples = json.load(file)
    features = numpy.array(samples["features"], dtype=numpy.float32)
    expected = numpy.array(samples["probabilities"], dtype=numpy.float32)

    with safe_open(model, framework="numpy") as file:
        classes = json.loads(file.metadata()["howdah.classes"])
        pipeline = json.loads(file.metadata()["howdah.pipeline"])
        numpy.testing.assert_allclose(by_numpy(file, features), expected, rtol=1e-4, atol=1e-6)

    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["howdah.classes"]) == classes, metadata
    assert json.loads(metadata["howdah.pipeline"]) == pipeline, metadata
    for rows in (len(features), 1):
        (got,) = session.run(["probabilities"], {"features": features[:rows]})
        assert got.shape == (rows, len(classes)), got.shape
        numpy.testing.assert_allclose(got, expected[:rows], rtol=1e-4, atol=1e-6)
    print(f"all three agree on {len(features)} samples of {len(classes)} classes")


main(*sys.argv[1:])
