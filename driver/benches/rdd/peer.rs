//! The same workloads in PySpark.

use std::{collections::BTreeMap, process::Command};

use crate::workloads::Sizes;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/rdd/pyspark_rdd.py");

/// Runs them if `HOWDAH_PYSPARK` names a Python that has `pyspark`; what they gave, by name.
pub fn run(sizes: &Sizes, cores: u32) -> BTreeMap<String, f64> {
    let Some(python) = std::env::var_os("HOWDAH_PYSPARK") else { return BTreeMap::new() };
    // PySpark would need minutes for what takes seconds here; rates hardly depend on the size.
    let flags = [
        ("--cores", i64::from(cores)),
        ("--tasks", i64::from(sizes.tasks / 10).max(10)),
        ("--jobs", i64::from(sizes.jobs / 20).max(5)),
        ("--pairs", (sizes.pairs / 4).max(1)),
        ("--records", (sizes.records / 10).max(1)),
        ("--partitions", i64::from(sizes.partitions)),
    ];
    let mut command = Command::new(python);
    command.arg(SCRIPT);
    for (flag, value) in flags {
        command.args([flag, &value.to_string()]);
    }
    let output = command.output().expect("HOWDAH_PYSPARK names a Python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let figure = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some((line["name"].as_str()?.to_owned(), line["value"].as_f64()?))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(figure).collect()
}
