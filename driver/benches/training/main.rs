//! Whole trainings on clusters of processes on this machine.
//!
//! `cargo bench --workspace --bench training -- modes [out.svg]` trains in every mode with 2, 4 and 8 replicas and
//! beside them sequentially, and draws the curves of the loss. `-- peers` measures training beside a loop in candle, and
//! PyTorch, Keras and elephas, `-- every-batch` pushing after every batch beside elephas: `HOWDAH_TORCH` and
//! `HOWDAH_ELEPHAS` name a Python that has them. `-- failover` kills parameter servers and measures how long it takes
//! until a push is accepted again. `-- trials` compares a search of 30 trials with 30 runs. The pictures are those in
//! `HOWDAH_PICTURES`, a folder with `train` and `test`, each with a folder for each class; without it they are drawn.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark reports"
)]

mod candle_loop;
mod every_batch;
mod failover;
mod modes;
mod peer;
mod peers;
mod plot;
mod run;
mod trials;

use std::process::ExitCode;

use howdah_driver::driver::built_in;

// Weights come and go in large pieces, which the system's allocator gives back to the kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    // What the benchmarks start is this program again.
    let commands = ["executor", "paramserver", "search", "train"];
    if arguments.get(1).and_then(|word| word.to_str()).is_some_and(|word| commands.contains(&word)) {
        return howdah_driver::cli::run(arguments, built_in());
    }
    // Cargo adds `--bench` to what it was given.
    let words: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match words.first().map_or("every-batch", String::as_str) {
            "modes" => modes::run(words.get(1).map(String::as_str)).await,
            "every-batch" => every_batch::run().await,
            "peers" => peers::run().await,
            "failover" => failover::run().await,
            "trials" => trials::run(),
            other => println!("`{other}` is none of modes, every-batch, peers, failover and trials"),
        }
    });
    ExitCode::SUCCESS
}
