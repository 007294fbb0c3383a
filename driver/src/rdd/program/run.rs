use std::{fmt::Display, io::Write, pin::pin, process::ExitCode};

use howdah_paramserver::role::{
    logging::{self, LogFormat},
    shutdown,
};

use super::{Context, Flags, Registry};
use crate::rdd::ContextBuilder;

/// What a process that was ended by Ctrl-C leaves behind.
const INTERRUPTED: u8 = 130;

/// Runs a program with a context.
pub(super) fn run<E, R>(flags: Flags, registry: Registry, run: impl FnOnce(Context) -> R) -> ExitCode
where
    E: Display,
    R: Future<Output = Result<(), E>>,
{
    logging::start_at(LogFormat::Text, "error");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = runtime.block_on(async {
        let interrupted = match shutdown::listen() {
            Ok(interrupted) => interrupted,
            Err(error) => return fail(&error),
        };
        let mut interrupted = pin!(interrupted);
        let started = tokio::select! {
            // The program has not begun: what the cluster has of processes ends with this future.
            () = &mut interrupted => return ExitCode::from(INTERRUPTED),
            started = builder(flags, registry).start() => started,
        };
        match started {
            Ok(context) => with(context, run, interrupted).await,
            Err(error) => fail(&error),
        }
    });
    // What still runs must not keep the process alive.
    runtime.shutdown_background();
    code
}

async fn with<E, R>(
    context: Context,
    run: impl FnOnce(Context) -> R,
    interrupted: impl Future<Output = ()>,
) -> ExitCode
where
    E: Display,
    R: Future<Output = Result<(), E>>,
{
    let code = tokio::select! {
        () = interrupted => ExitCode::from(INTERRUPTED),
        ended = run(context.clone()) => ended.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS),
    };
    context.stop().await;
    code
}

fn builder(flags: Flags, registry: Registry) -> ContextBuilder {
    let Flags { driver, executors, slots, memory } = flags;
    let mut builder = Context::builder().registry(registry);
    if let Some(driver) = driver {
        builder = builder.driver(driver);
    }
    if let Some(executors) = executors {
        builder = builder.local(executors);
    }
    if let Some(slots) = slots {
        builder = builder.slots(slots);
    }
    if let Some(memory) = memory {
        builder = builder.memory(memory.0);
    }
    builder
}

fn fail(error: &impl Display) -> ExitCode {
    // Nobody is left to tell if standard error is gone.
    let _written = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}
