//! The `howdah-driver` command.

use std::process::ExitCode;

// Weights come and go in large pieces, which the system's allocator gives back to the kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    howdah_driver::cli::main()
}
