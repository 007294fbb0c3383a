//! A driver: its engine behind its services on a socket.

use std::{path::PathBuf, sync::Arc, time::Duration};

use howdah_executor::rdd::Registry;
use howdah_paramserver::role::listen::{self, Exposure, ListenError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    board::Board,
    engine::{EngineHandle, EngineOptions, start},
    membership::Standards,
    objects::Objects,
    scheduler::{Options, Pool},
    service::{self, Heartbeat},
};

/// How a driver is set up.
#[derive(Debug, Clone)]
pub struct DriverOptions {
    /// Where it listens, as `host:port`; port 0 is any free one.
    pub listen: String,
    /// Whether it may listen beyond loopback without TLS.
    pub exposure: Exposure,
    /// The host and port that others reach it at, if that is not where it listens.
    pub advertise: Option<String>,
    /// Where it draws synthetic pictures.
    pub work_dir: PathBuf,
    /// The operators it knows.
    pub registry: Registry,
    /// How members show that they live.
    pub heartbeat: Heartbeat,
    /// The pools of jobs that share the cluster.
    pub pools: Vec<Pool>,
}

impl DriverOptions {
    /// A driver on a free port of this machine, with the built-in operators.
    pub fn loopback(work_dir: PathBuf) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            exposure: Exposure::Loopback,
            advertise: None,
            work_dir,
            registry: built_in(),
            heartbeat: Heartbeat::default(),
            pools: Vec::new(),
        }
    }
}

/// The operators and functions that Howdah's own programs know.
pub fn built_in() -> Registry {
    let mut registry = Registry::new();
    howdah_executor::vision::register(&mut registry);
    howdah_executor::inference::register(&mut registry);
    registry
}

/// A driver that can't start.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// It can't listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// A running driver.
#[derive(Debug)]
pub struct Driver {
    url: String,
    engine: EngineHandle,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// A driver that is dropped takes nothing new.
impl Drop for Driver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How long clients may take to leave.
const LEAVE: Duration = Duration::from_millis(500);

impl Driver {
    /// Starts a driver.
    ///
    /// # Errors
    /// [`DriverError`].
    pub async fn start(options: DriverOptions) -> Result<Self, DriverError> {
        let bound = listen::bind(&options.listen, options.advertise.as_deref(), options.exposure).await?;
        let url = bound.address().to_owned();
        let board = Board::default();
        let engine_options = EngineOptions {
            heartbeat_timeout: options.heartbeat.timeout,
            work_dir: options.work_dir,
            registry: Arc::new(options.registry.clone()),
            scheduler: Options { pools: options.pools, ..Options::default() },
        };
        let objects = Objects::default();
        let (engine, _task) = start(engine_options, board.clone(), objects.clone());
        let standards = Standards { operators: options.registry.versions() };
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
        let server = howdah_proto::transport::driver_server();
        let router = service::router(server, &engine, &board, &objects, standards, options.heartbeat)
            .add_service(health);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let server = tokio::spawn(async move {
            if let Err(error) =
                router.serve_with_incoming_shutdown(bound.incoming(), stopped.cancelled()).await
            {
                tracing::error!(%error, "the driver's server ended");
            }
        });
        Ok(Self { url, engine, stop, server })
    }

    /// Where the driver is reached, as `http://host:port`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The engine behind it.
    pub fn engine(&self) -> &EngineHandle {
        &self.engine
    }

    /// Stops the driver: open streams get a moment to end.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(LEAVE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}
