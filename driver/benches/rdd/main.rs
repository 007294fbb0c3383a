//! RDDs on a cluster of two executor processes, beside PySpark on as many cores.
//!
//! `cargo bench --workspace --bench rdd` runs Howdah alone. With `HOWDAH_PYSPARK=/path/to/python`, a Python that
//! has `pyspark`, the same workloads run there in the same run, and ratios are printed.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a benchmark reports")]

mod functions;
mod peer;
mod recovery;
mod workloads;

use std::process::ExitCode;

use howdah_driver::rdd::{Context, Registry};
use workloads::{Measured, Sizes};

const EXECUTORS: u32 = 2;

fn main() -> ExitCode {
    let mut registry = Registry::new();
    functions::register(&mut registry);
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|role| role == "executor") {
        return howdah_driver::cli::run(arguments, registry);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sizes = Sizes::from_environment();
    let measured = runtime.block_on(async {
        let builder = Context::builder().registry(registry).local(EXECUTORS).slots(1).memory(2 << 30);
        let context = builder.start().await.expect("a cluster on this machine");
        let measured = workloads::all(&context, &sizes).await.expect("workloads that succeed");
        let recovery = recovery::run(&context, &sizes).await.expect("jobs that survive");
        context.stop().await;
        println!("{recovery}");
        measured
    });
    let peer = peer::run(&sizes, EXECUTORS);
    for Measured { name, what, value, more_is_better } in measured {
        print!("{what}: {value:.6}");
        for (suffix, who) in [("", "PySpark"), ("_jvm", "Spark without Python")] {
            if let Some(other) = peer.get(&format!("{name}{suffix}")) {
                let ratio = if more_is_better { value / other } else { other / value };
                print!("; {who} {other:.6}: {ratio:.1} times as good");
            }
        }
        println!();
    }
    ExitCode::SUCCESS
}
