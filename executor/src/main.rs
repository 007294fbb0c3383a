//! Runs an executor.

use std::{io::Write, path::Path, process::ExitCode};

use howdah_executor::{
    rdd::Registry,
    role::{Args, run},
    vision,
};
use howdah_paramserver::role::{
    config::{ConfigError, ConfigPlace, parse},
    logging,
};

// Weights come and go in large pieces, which the system's allocator gives back to the kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let place = ConfigPlace { default_file: Some(Path::new("/etc/howdah/executor.toml")) };
    let args: Args = match parse(std::env::args_os().collect(), place) {
        Ok(args) => args,
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(error) => return fail(&error, 2),
    };
    logging::start(args.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let mut registry = Registry::new();
    vision::register(&mut registry);
    let ended = runtime.block_on(run(args, registry));
    // A task that still runs must not keep the process alive.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.exit_code()),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // Nobody is left to tell if standard error is gone.
    let _written = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(code)
}
