//! Runs a parameter server.

use std::process::ExitCode;

use howdah_paramserver::{cli, role::process};

// Weights come and go in large pieces, which the system's allocator gives back to the kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::main(std::env::args_os().collect(), cli::run)
}
