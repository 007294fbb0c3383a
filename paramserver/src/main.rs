//! Runs a parameter server.

use std::{io::Write, path::Path, process::ExitCode};

use howdah_paramserver::{
    cli::{Args, run},
    role::{
        config::{ConfigError, ConfigPlace, parse},
        logging,
    },
};

// Weights come and go in large pieces, which the system's allocator gives back to the kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let place = ConfigPlace { default_file: Some(Path::new("/etc/howdah/paramserver.toml")) };
    let args: Args = match parse(std::env::args_os().collect(), place) {
        Ok(args) => args,
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(error) => return fail(&error, 2),
    };
    logging::start(args.log_format);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.exit_code()),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // Nobody is left to tell if standard error is gone.
    let _written = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(code)
}
