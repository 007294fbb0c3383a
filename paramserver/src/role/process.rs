//! From a command line to an exit code.

use std::{error::Error, ffi::OsString, io::Write, path::Path, process::ExitCode};

use tokio::runtime::{Builder, Runtime};

use super::{
    config::{ConfigError, ConfigPlace, parse},
    logging::{self, LogFormat},
    memory,
};

/// How many threads of a process serve its connections; what computes or blocks has others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threading {
    /// One: what a connection receives stays in the caches of the core that works on it.
    One,
    /// One for each core.
    Cores,
}

/// The flags of a process, and what they say of the process itself.
pub trait Flags: clap::Parser {
    /// Where settings are looked for when nothing names a file.
    const SETTINGS: &'static str;

    /// Tells how log lines look.
    fn log_format(&self) -> LogFormat;

    /// Tells what is logged when RUST_LOG says nothing.
    fn log_level(&self) -> &'static str {
        "info"
    }

    /// Tells on how many threads it talks.
    fn threading(&self) -> Threading;
}

/// The reason for which a process ends.
pub trait Ending: Error {
    /// Tells the exit code.
    fn exit_code(&self) -> u8;

    /// Says what the user can do, beyond what the error says.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Runs a process: reads its flags, starts its log and its threads, and says what went wrong.
pub fn main<F: Flags, E: Ending, R: Future<Output = Result<(), E>>>(
    args: Vec<OsString>,
    run: impl FnOnce(F) -> R,
) -> ExitCode {
    memory::lend_freed();
    let place = ConfigPlace { default_file: Some(Path::new(F::SETTINGS)) };
    let flags: F = match parse(args, place) {
        Ok(flags) => flags,
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(error) => return fail(&error, None, 2),
    };
    logging::start_at(flags.log_format(), flags.log_level());
    let runtime = match runtime(flags.threading()) {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, None, 1),
    };
    let ended = runtime.block_on(run(flags));
    // What still runs must not keep the process alive.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.hint(), error.exit_code()),
    }
}

fn runtime(threading: Threading) -> std::io::Result<Runtime> {
    let mut builder = match threading {
        Threading::One => Builder::new_current_thread(),
        Threading::Cores => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

fn fail(error: &dyn Error, hint: Option<String>, code: u8) -> ExitCode {
    let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    // Nobody is left to tell if standard error is gone.
    let _written = writeln!(std::io::stderr(), "error: {error}{hint}");
    ExitCode::from(code)
}
