use std::time::Duration;

use howdah_paramserver::role::{
    join::{Join, JoinError, JoinEvent, Member, Vitals, jitter},
    listen::{self, Exposure, ListenError},
    notify,
    process::Ending,
    shutdown,
};
use howdah_proto::{
    pb::{
        ExecutorRole, blocks_server::BlocksServer, register_request::Role, shuffles_server::ShufflesServer,
    },
    transport,
};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{Args, session::Session};
use crate::{
    memory::Memory,
    rdd::{RddError, Registry},
    service::{BlocksService, ShufflesService},
    store::{Scratch, ScratchGuard},
    task::Environment,
    worker::{Worker, WorkerError},
};

/// The reason for which an executor ends.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// It can't listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It can't join the driver.
    #[error("{0}\nhint: check --driver, and that the driver is running")]
    Join(#[from] JoinError),
    /// It can't serve.
    #[error("the executor can't serve at {address}: {reason}")]
    Serve {
        /// Where it listens.
        address: String,
        /// Why not.
        reason: String,
    },
    /// Its task slots can't be started.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// It has no folder for scratch files.
    #[error("{0}\nhint: name another folder with --scratch")]
    Scratch(#[from] RddError),
    /// Signals or threads can't be had.
    #[error("the operating system refuses what the executor needs: {0}")]
    System(#[from] std::io::Error),
}

impl Ending for ExecutorError {
    /// 2 for a wrong start, 1 for anything later.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Join(JoinError::Address(_)) => 2,
            Self::Listen(error) if error.is_usage() => 2,
            Self::Listen(_)
            | Self::Join(_)
            | Self::Serve { .. }
            | Self::Worker(_)
            | Self::Scratch(_)
            | Self::System(_) => 1,
        }
    }
}

/// Runs an executor until SIGINT or SIGTERM.
///
/// # Errors
/// [`ExecutorError`].
pub async fn run(args: Args, registry: Registry) -> Result<(), ExecutorError> {
    let lifeline = args.lifeline;
    shutdown::serve_until_requested(lifeline, |stop| serve(args, registry, stop)).await
}

/// Runs an executor until it is told to stop; attempts that run may then come to their end.
///
/// # Errors
/// [`ExecutorError`].
pub async fn serve(args: Args, registry: Registry, stop: CancellationToken) -> Result<(), ExecutorError> {
    transport::endpoint(&args.driver).map_err(JoinError::Address)?;
    let exposure = Exposure::from_flag(args.insecure);
    let bound = listen::bind(&args.listen, args.advertise.as_deref(), exposure).await?;
    let address = bound.address().to_owned();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let (slots, threads) = args.slots_and_threads(cores);
    let memory = Memory::new(args.memory.0);
    let scratch = Scratch::new(args.scratch.as_deref())?;
    let _cleared_at_the_end = ScratchGuard::new(&scratch);
    let operators = registry.versions();
    let environment = Environment::new(memory, scratch, registry, Handle::current());
    let (store, outputs) = (environment.store.clone(), environment.outputs.clone());
    let worker = Worker::start(environment, slots, threads as usize)?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let serving = transport::server()
        .add_service(BlocksServer::new(BlocksService::new(store.clone())))
        .add_service(ShufflesServer::new(ShufflesService::new(outputs)))
        .add_service(health_service)
        .serve_with_incoming(bound.incoming());
    tracing::info!(address, driver = args.driver, slots, threads, "the executor listens");

    let name = args.name.unwrap_or_else(|| address.trim_start_matches("http://").to_owned());
    let role = Role::Executor(ExecutorRole { slots, memory_bytes: args.memory.0 });
    let member = Member { role, name, address: address.clone(), operators };
    let give_up_after = args.give_up_after.map(Duration::from_secs);
    let join = Join { driver: args.driver, member, give_up_after };
    let draining = stop.clone();
    let vitals = move || Vitals { used_bytes: store.used_bytes(), draining: draining.is_cancelled() };
    let (events, received) = mpsc::unbounded_channel();
    let on_event = move |event: JoinEvent| {
        // The receiver lives as long as this future.
        let _ = events.send(event);
    };
    tokio::select! {
        served = serving => served.map_err(|error| ExecutorError::Serve {
            address,
            reason: transport::root_cause(&error),
        }),
        error = join.stay(vitals, jitter, on_event) => Err(error.into()),
        never = Session::follow(worker.clone(), received) => match never {},
        () = drained(&worker, &stop, Duration::from_secs(args.drain)) => Ok(()),
    }
}

/// Completes when the executor was told to stop and the driver has let it go, or that took too long.
async fn drained(worker: &Worker, stop: &CancellationToken, limit: Duration) {
    stop.cancelled().await;
    notify::stopping();
    tracing::info!("the executor takes nothing new and finishes what it has");
    if tokio::time::timeout(limit, worker.drain()).await.is_err() {
        tracing::warn!("running tasks took too long and are cut off; they go on elsewhere");
    }
}
