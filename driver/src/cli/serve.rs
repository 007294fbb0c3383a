use std::{path::PathBuf, time::Duration};

use howdah_executor::rdd::Registry;
use howdah_paramserver::role::{listen::Exposure, logging::LogFormat, notify, shutdown};

use super::{CliError, out};
use crate::{
    driver::{Driver, DriverOptions},
    scheduler::Pool,
    service::Heartbeat,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver serve\n  \
                        howdah-driver serve --listen 10.0.0.1:7077 --insecure\n\n\
                        Then, with `--listen ADDRESS:0 --insecure` on other machines:\n  \
                        howdah-driver paramserver --driver http://HOST:7077\n  \
                        howdah-driver executor --driver http://HOST:7077\n\n\
                        And from anywhere:\n  \
                        howdah-driver train --driver http://HOST:7077 --data DIR")]
pub(super) struct Args {
    /// Where to listen; port 0 is any free one.
    #[arg(long, value_name = "HOST:PORT", env = "HOWDAH_LISTEN", default_value = "127.0.0.1:7077")]
    listen: String,
    /// The address that others reach this driver by, if it isn't the one listened on.
    #[arg(long, value_name = "HOST:PORT", env = "HOWDAH_ADVERTISE")]
    advertise: Option<String>,
    /// Allow listening beyond this machine although pictures travel in the clear.
    #[arg(long, env = "HOWDAH_INSECURE")]
    insecure: bool,
    /// Where synthetic pictures are drawn; by default in the system's folder for temporary files.
    #[arg(long, value_name = "DIR", env = "HOWDAH_WORK_DIR")]
    work_dir: Option<PathBuf>,
    /// How often members show that they live.
    #[arg(long, value_name = "SECONDS", env = "HOWDAH_HEARTBEAT_INTERVAL", default_value_t = 2.0)]
    heartbeat_interval: f64,
    /// A member that is silent for so long is lost; after a minute, if it may be the driver that is cut off.
    #[arg(long, value_name = "SECONDS", env = "HOWDAH_HEARTBEAT_TIMEOUT", default_value_t = 10.0)]
    heartbeat_timeout: f64,
    /// A pool of jobs: pools share the slots by weight, and get their smallest share first. `fair` shares a pool's slots
    /// between its jobs, `fifo` gives them to the first one. A pool that a program names without this has weight 1.
    #[arg(long = "pool", value_name = "NAME[:fifo|fair[:WEIGHT[:MIN_SHARE]]]")]
    pools: Vec<Pool>,
    /// How log lines look.
    #[arg(long, value_enum, env = "HOWDAH_LOG_FORMAT", default_value = "text")]
    pub(super) log_format: LogFormat,
}

/// Runs a driver until SIGINT or SIGTERM.
pub(super) async fn run(args: Args, registry: Registry) -> Result<(), CliError> {
    let seconds = |flag: &str, value: f64| {
        Duration::try_from_secs_f64(value).ok().filter(|value| !value.is_zero()).ok_or_else(|| {
            CliError::Flag {
                flag: flag.to_owned(),
                reason: format!("{value} is no number of seconds above 0"),
            }
        })
    };
    let heartbeat = Heartbeat {
        interval: seconds("--heartbeat-interval", args.heartbeat_interval)?,
        timeout: seconds("--heartbeat-timeout", args.heartbeat_timeout)?,
    };
    if heartbeat.timeout <= heartbeat.interval {
        return Err(CliError::Flag {
            flag: "--heartbeat-timeout".to_owned(),
            reason: "it must be longer than --heartbeat-interval".to_owned(),
        });
    }
    let temporary = || std::env::temp_dir().join(format!("howdah-driver-{}", std::process::id()));
    let requested = shutdown::listen()?;
    let driver = Driver::start(DriverOptions {
        listen: args.listen,
        exposure: Exposure::from_flag(args.insecure),
        advertise: args.advertise,
        work_dir: args.work_dir.unwrap_or_else(temporary),
        registry,
        heartbeat,
        pools: args.pools,
    })
    .await?;
    out::say(&format!("the driver listens at {}", driver.url()));
    notify::ready();
    requested.await;
    notify::stopping();
    tracing::info!("the driver leaves");
    driver.shutdown().await;
    Ok(())
}
