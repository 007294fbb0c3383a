//! The `main` of a program that uses RDDs.

mod args;
mod run;

use std::{ffi::OsString, fmt::Display, process::ExitCode};

use clap::FromArgMatches;

use super::{Context, Registry};
use args::{Flags, NoArgs};

/// A program that uses RDDs, and whose copies are its executors. See [`program`].
#[must_use = "a program does something in `main`"]
pub struct Program {
    registry: Registry,
}

/// Begins a program; `register` adds its functions to the registry.
///
/// Its [`main`](Program::main) runs the program with a context: of a driver, if it is started with `--driver`, or of a
/// cluster on this machine, whose executors are this program once more.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use howdah_driver::rdd::{ContextError, program};
///
/// fn main() -> ExitCode {
///     program(|_registry| {}).main(|context| async move {
///         println!("{}", context.range(0..1_000_000, 16).sum().await?);
///         Ok::<(), ContextError>(())
///     })
/// }
/// ```
pub fn program(register: impl FnOnce(&mut Registry)) -> Program {
    let mut registry = Registry::new();
    register(&mut registry);
    Program { registry }
}

impl Program {
    /// Runs the program, or the role that it was started in. The context is closed, and its cluster taken down, at the end
    /// and after Ctrl-C.
    pub fn main<E, R>(self, run: impl FnOnce(Context) -> R) -> ExitCode
    where
        E: Display,
        R: Future<Output = Result<(), E>>,
    {
        self.main_with(|context, NoArgs {}| run(context))
    }

    /// The same, with arguments of the program's own.
    pub fn main_with<A, E, R>(self, run: impl FnOnce(Context, A) -> R) -> ExitCode
    where
        A: clap::Args,
        E: Display,
        R: Future<Output = Result<(), E>>,
    {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let role = arguments.get(1).and_then(|first| first.to_str());
        if matches!(role, Some("serve" | "executor" | "paramserver")) {
            return crate::cli::run(arguments, self.registry);
        }
        let matches = match args::command::<A>().try_get_matches_from(arguments) {
            Ok(matches) => matches,
            Err(usage) => usage.exit(),
        };
        match (Flags::from_arg_matches(&matches), A::from_arg_matches(&matches)) {
            (Ok(flags), Ok(own)) => run::run(flags, self.registry, |context| run(context, own)),
            (Err(usage), _) | (_, Err(usage)) => usage.exit(),
        }
    }
}
