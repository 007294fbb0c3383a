"""Trains the seed network, 16384-256-128-1, with Adam, in PyTorch, Keras or elephas, two threads or two workers.

  python peer.py torch|keras|elephas-epoch|elephas-batch BATCH EPOCHS TRAIN_FOLDER

Prints the pictures per second of training, without starting, preparing the pictures, and warming up, which elephas doesn't.
"""

import glob
import os
import sys
import time

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)

import numpy as np
from PIL import Image, ImageFilter

KIND, BATCH, EPOCHS, FOLDER = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
WORKERS = 2


def pictures():
    """All pictures of a folder for each class, as rows in [0, 1], in drawn order, and their classes."""
    items = [
        (path, label)
        for label, folder in enumerate(sorted(glob.glob(os.path.join(FOLDER, "*"))))
        for path in sorted(glob.glob(os.path.join(folder, "*.jpg")))
    ]
    rows, labels = np.empty((len(items), 16384), np.float32), np.empty((len(items), 1), np.float32)
    for row, place in enumerate(np.random.default_rng(0).permutation(len(items))):
        path, labels[row] = items[place]
        picture = Image.open(path)
        picture.draft("L", (128, 128))
        picture = picture.convert("L").resize((128, 128), Image.BILINEAR).filter(ImageFilter.GaussianBlur(1))
        rows[row] = np.asarray(picture, np.float32).reshape(-1) / np.float32(255)
    return rows, labels


def torch(rows, labels):
    import torch

    torch.set_num_threads(WORKERS)
    torch.set_flush_denormal(True)
    network = torch.nn.Sequential(
        torch.nn.Linear(16384, 256), torch.nn.ReLU(), torch.nn.Dropout(0.3),
        torch.nn.Linear(256, 128), torch.nn.ReLU(), torch.nn.Dropout(0.3),
        torch.nn.Linear(128, 1),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-4, fused=True)
    loss = torch.nn.BCEWithLogitsLoss()
    rows, labels = torch.from_numpy(rows), torch.from_numpy(labels)

    def steps(order):
        for batch in order.split(BATCH):
            optimizer.zero_grad()
            loss(network(rows[batch]), labels[batch]).backward()
            optimizer.step()

    steps(torch.arange(10 * BATCH) % len(rows))
    started = time.time()
    for _ in range(EPOCHS):
        steps(torch.randperm(len(rows)))
    return EPOCHS * len(rows) / (time.time() - started)


def compiled():
    import keras

    model = keras.Sequential(
        [
            keras.Input((16384,)),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(5e-4), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def keras(rows, labels):
    model = compiled()
    model.fit(rows[: 10 * BATCH], labels[: 10 * BATCH], batch_size=BATCH, verbose=0)
    started = time.time()
    model.fit(rows, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return EPOCHS * len(rows) / (time.time() - started)


def elephas(rows, labels, frequency):
    from elephas.spark_model import AsynchronousSparkModel
    from elephas.utils.rdd_utils import to_simple_rdd
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{WORKERS}]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.maxResultSize", "4g")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    trainer = AsynchronousSparkModel(
        compiled(), num_workers=WORKERS, batch_size=BATCH, mode="asynchronous", frequency=frequency,
        parameter_server_mode="http", port=4000,
    )
    rdd = to_simple_rdd(spark.sparkContext, rows, labels)
    started = time.time()
    trainer.fit(rdd, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    rate = EPOCHS * len(rows) / (time.time() - started)
    spark.stop()
    return rate


PEERS = {
    "torch": torch,
    "keras": keras,
    "elephas-epoch": lambda rows, labels: elephas(rows, labels, "epoch"),
    "elephas-batch": lambda rows, labels: elephas(rows, labels, "batch"),
}
print(PEERS[KIND](*pictures()))
