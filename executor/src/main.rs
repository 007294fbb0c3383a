//! Runs an executor.

use std::process::ExitCode;

use howdah_executor::{
    inference,
    rdd::Registry,
    role::{Args, run},
    vision,
};
use howdah_paramserver::role::process;

// Weights come and go in large pieces, which the system's allocator gives back to the kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut registry = Registry::new();
    vision::register(&mut registry);
    inference::register(&mut registry);
    process::main(std::env::args_os().collect(), |args: Args| run(args, registry))
}
