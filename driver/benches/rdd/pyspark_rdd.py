"""The benchmark's workloads in PySpark's RDD API, on `local-cluster`-like settings: one JSON line for each."""

import argparse
import json
import os
import statistics
import time


def seconds(run):
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def report(name, value, **more):
    print(json.dumps({"name": name, "value": value, **more}), flush=True)


def record(number):
    # A multiplicative hash spreads the keys; 10 bytes of key and 90 of value, as the sort benchmarks have it.
    return (number * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(10, "big"), b"x" * 90


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--pairs", type=int, required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--partitions", type=int, required=True)
    args = parser.parse_args()
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    conf = SparkConf().setMaster(f"local[{args.cores}]").set("spark.ui.enabled", "false")
    conf.set("spark.driver.memory", "8g").set("spark.driver.host", "127.0.0.1")
    context = SparkContext(conf=conf)
    context.setLogLevel("ERROR")
    context.range(1000, numSlices=4).count()

    tasks = context.range(args.tasks, numSlices=args.tasks)
    took, _ = seconds(tasks.count)
    report("tasks", args.tasks / took)

    one = context.parallelize([1], 1)
    report("latency", statistics.median(seconds(one.count)[0] for _ in range(args.jobs)))

    # The same without a Python process behind each task: what Spark's own scheduler can do.
    session = SparkSession(context)._jsparkSession
    session.range(0, 1000, 1, 4).rdd().count()
    tasks = session.range(0, args.tasks * 10, 1, args.tasks * 10).rdd()
    took, _ = seconds(tasks.count)
    report("tasks_jvm", args.tasks * 10 / took)
    one = session.range(0, 1, 1, 1).rdd()
    report("latency_jvm", statistics.median(seconds(one.count)[0] for _ in range(args.jobs * 4)))

    pairs = context.range(args.pairs, numSlices=args.partitions).map(lambda n: (n % 100_003, 1))
    took, keys = seconds(pairs.reduceByKey(lambda a, b: a + b, args.partitions).count)
    assert keys == min(args.pairs, 100_003), keys
    report("reduce_by_key", args.pairs / took)

    records = context.range(args.records, numSlices=args.partitions).map(record)
    took, count = seconds(records.sortByKey(numPartitions=args.partitions).count)
    assert count == args.records, count
    report("sort", args.records * 100 / took)
    context.stop()


if __name__ == "__main__":
    main()
