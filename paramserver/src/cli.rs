//! The command line of the parameter server, and the role itself.

use std::{future::Future, path::PathBuf, time::Duration};

use clap::Parser;
use howdah_proto::{
    pb::{ParamserverRole, register_request::Role},
    registry::OperatorVersions,
    transport,
};
use tokio_util::sync::CancellationToken;

use crate::{
    role::{
        join::{Join, JoinError, JoinEvent, Member, Vitals, jitter},
        listen::{self, Exposure, ListenError},
        logging::LogFormat,
        notify,
        process::{Ending, Flags, Threading},
        shutdown,
    },
    server::Paramserver,
};

/// How long the driver may take to have other servers take over the shards of one that is asked to leave.
const HAND_OVER: Duration = Duration::from_secs(20);

/// How long requests in flight may take after that.
const DRAIN: Duration = Duration::from_secs(5);

/// Holds shards of the parameters of training jobs.
///
/// A parameter server joins a driver and waits to be given shards. Executors pull the weights from it and push
/// their updates to it; every update counts exactly once, however often it arrives.
///
/// Settings come from flags, else from the environment, else from the TOML file that --config names, where each
/// key is the name of a flag: `driver = "http://10.0.0.1:7077"`.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "howdah-paramserver",
    version,
    after_help = "Examples:\n  howdah-paramserver --driver http://127.0.0.1:7077\n  \
                  howdah-paramserver --driver http://10.0.0.1:7077 --listen 10.0.0.2:7078 --insecure\n\n\
                  What it logs is set by RUST_LOG (info by default). Exit codes: 0 after SIGTERM or SIGINT, \
                  when the driver has had 20 s to move the shards to other servers; 1 when the server can't go on, \
                  2 when it was started wrongly."
)]
pub struct Args {
    /// Where the driver is.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER")]
    pub driver: String,
    /// Where to listen; port 0 is any free one.
    #[arg(long, value_name = "HOST:PORT", env = "HOWDAH_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: String,
    /// The address that others reach this server by, if it isn't the one listened on.
    #[arg(long, value_name = "HOST:PORT", env = "HOWDAH_ADVERTISE")]
    pub advertise: Option<String>,
    /// Allow listening beyond this machine although weights travel in the clear.
    #[arg(long, env = "HOWDAH_INSECURE")]
    pub insecure: bool,
    /// The name to be shown by; by default the address.
    #[arg(long, env = "HOWDAH_NAME")]
    pub name: Option<String>,
    /// Give up when the driver can't be reached for so long; by default keep trying.
    #[arg(long, value_name = "SECONDS", env = "HOWDAH_GIVE_UP_AFTER")]
    pub give_up_after: Option<u64>,
    /// The TOML file with settings.
    #[arg(long, value_name = "FILE", env = "HOWDAH_CONFIG")]
    pub config: Option<PathBuf>,
    /// How log lines look.
    #[arg(long, value_enum, env = "HOWDAH_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// End when standard input ends.
    #[arg(long, hide = true)]
    pub lifeline: bool,
}

impl Flags for Args {
    const SETTINGS: &'static str = "/etc/howdah/paramserver.toml";

    fn log_format(&self) -> LogFormat {
        self.log_format
    }

    fn threading(&self) -> Threading {
        Threading::One
    }
}

/// The reason for which a parameter server ends.
#[derive(Debug, thiserror::Error)]
pub enum ParamserverError {
    /// It can't listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It can't join the driver.
    #[error("{0}\nhint: check --driver, and that the driver is running")]
    Join(#[from] JoinError),
    /// It can't serve.
    #[error("the parameter server can't serve at {address}: {reason}")]
    Serve {
        /// Where it listens.
        address: String,
        /// Why not.
        reason: String,
    },
    /// Signals or threads can't be had.
    #[error("the operating system refuses what the parameter server needs: {0}")]
    System(#[from] std::io::Error),
}

impl Ending for ParamserverError {
    /// 2 for a wrong start, 1 for anything later.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Join(JoinError::Address(_)) => 2,
            Self::Listen(error) if error.is_usage() => 2,
            Self::Listen(_) | Self::Join(_) | Self::Serve { .. } | Self::System(_) => 1,
        }
    }
}

/// Runs a parameter server until SIGINT or SIGTERM.
///
/// # Errors
/// [`ParamserverError`].
pub async fn run(args: Args) -> Result<(), ParamserverError> {
    let lifeline = args.lifeline;
    shutdown::serve_until_requested(lifeline, |stop| serve(args, stop)).await
}

/// Runs a parameter server until it is told to stop. It then tells the driver that it wants to leave, and goes on serving
/// until others have taken over its shards, but not for ever; requests in flight are finished.
///
/// # Errors
/// [`ParamserverError`].
pub async fn serve(args: Args, stop: CancellationToken) -> Result<(), ParamserverError> {
    transport::endpoint(&args.driver).map_err(JoinError::Address)?;
    let exposure = Exposure::from_flag(args.insecure);
    let bound = listen::bind(&args.listen, args.advertise.as_deref(), exposure).await?;
    let address = bound.address().to_owned();
    let server = Paramserver::default();
    let unused = CancellationToken::new();
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let serving = transport::server()
        .add_routes(server.routes())
        .add_service(health_service)
        .serve_with_incoming_shutdown(bound.incoming(), unused.clone().cancelled_owned());
    tracing::info!(address, driver = args.driver, "the parameter server listens");

    let name = args.name.unwrap_or_else(|| address.trim_start_matches("http://").to_owned());
    let role = Role::Paramserver(ParamserverRole {});
    let operators = OperatorVersions::new();
    let member = Member { role, name, address: address.clone(), operators };
    let give_up_after = args.give_up_after.map(Duration::from_secs);
    let join = Join { driver: args.driver, member, give_up_after };
    let (draining, shards, leaving) = (stop.clone(), server.clone(), server.clone());
    let on_event = move |event| match event {
        JoinEvent::Joined { member, .. } => tracing::info!(%member, "the parameter server has joined"),
        JoinEvent::Lost { reason } => {
            tracing::warn!(reason, "the driver is gone, and the shards of its jobs with it");
            shards.clear();
        }
    };
    let vitals = move || Vitals { used_bytes: server.used_bytes(), draining: draining.is_cancelled() };
    tokio::select! {
        served = until_drained(serving, leave(&leaving, &stop, &unused)) => {
            served.map_err(|reason| ParamserverError::Serve { address, reason })
        }
        error = join.stay(vitals, jitter, on_event) => Err(error.into()),
    }
}

/// Waits for the wish to leave, and for others to take over; then takes no requests any more, and completes when those in
/// flight have taken too long.
async fn leave(server: &Paramserver, stop: &CancellationToken, unused: &CancellationToken) {
    stop.cancelled().await;
    notify::stopping();
    tracing::info!("the parameter server leaves, when others have its shards");
    if tokio::time::timeout(HAND_OVER, server.unused()).await.is_err() {
        let seconds = HAND_OVER.as_secs();
        tracing::warn!("no other server has taken over the shards in {seconds} s: they are lost here");
    }
    unused.cancel();
    tokio::time::sleep(DRAIN).await;
}

async fn until_drained(
    serving: impl Future<Output = Result<(), tonic::transport::Error>>,
    leaving: impl Future<Output = ()>,
) -> Result<(), String> {
    tokio::select! {
        served = serving => served.map_err(|error| transport::root_cause(&error)),
        () = leaving => {
            tracing::warn!("requests in flight took too long and are cut off");
            Ok(())
        }
    }
}
