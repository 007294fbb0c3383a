"""Trains the seed network for one epoch with elephas on Spark local[2], asynchronously, with a push for every batch.

  python elephas_every_batch.py TRAIN_FOLDER

Prints the pictures per second of the fit, without the start of Spark and the preparation of the pictures.
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
from pyspark.sql import SparkSession

WORKERS, BATCH = 2, 32


def preprocess(item):
    import numpy as np
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    path, label = item
    picture = Image.open(path)
    picture.draft("L", (128, 128))
    picture = picture.convert("L").resize((128, 128), Image.BILINEAR)
    pixels = gaussian_filter(np.asarray(picture, dtype=np.float32), sigma=1.0)
    return (pixels.reshape(-1) / np.float32(255.0)).astype(np.float32), np.array([label], dtype=np.float32)


spark = (
    SparkSession.builder.master(f"local[{WORKERS}]")
    .config("spark.driver.memory", "4g")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.maxResultSize", "4g")
    .getOrCreate()
)
context = spark.sparkContext
context.setLogLevel("ERROR")
items = [
    (path, float(label))
    for label, folder in enumerate(sorted(glob.glob(os.path.join(sys.argv[1], "*"))))
    for path in sorted(glob.glob(os.path.join(folder, "*.jpg")))
]
items = [items[place] for place in np.random.default_rng(0).permutation(len(items))]
samples = context.parallelize(items, WORKERS * 2).map(preprocess).collect()
features, labels = np.stack([sample for sample, _ in samples]), np.stack([label for _, label in samples])

import keras
from elephas.spark_model import AsynchronousSparkModel
from elephas.utils.rdd_utils import to_simple_rdd

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
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
trainer = AsynchronousSparkModel(
    model, num_workers=WORKERS, batch_size=BATCH, mode="asynchronous", frequency="batch",
    parameter_server_mode="http", port=4000,
)
rdd = to_simple_rdd(context, features, labels)
started = time.time()
trainer.fit(rdd, epochs=1, batch_size=BATCH, verbose=0)
print(len(items) / (time.time() - started))
spark.stop()
