//! `drill`: a training that is done harm to, and must count every batch all the same.

mod harm;
mod seed;
mod seeds;

use std::path::PathBuf;

use howdah_proto::settings::{TrainSettings, UpdateRule, Updates};

use super::{CliError, follow::Display, out, train};
use crate::{
    local::LocalOptions,
    output::{RunFolder, create_empty},
};
use harm::Harm;

/// Kills and pauses processes at random moments of trainings and checks that every batch counted exactly once.
///
/// The training takes no gradient: each step of each task pushes ones, and the parameter servers add them up. If
/// every batch counts exactly once, each of the weights is the number of batches in the end, whatever was killed.
///
/// What is done to whom, and after which event of the training, is drawn from the seed. With --seeds the drill is
/// repeated with one seed after the other; the output folder then keeps the logs of the clusters, and a folder for each
/// seed that went wrong. Exit code 0 means that every seed was exact.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(after_help = "Examples:\n  howdah-driver drill --executors 3 --kills 8 --seed 1\n  \
                        howdah-driver drill --kill-shards 4 --replicas 2\n  \
                        howdah-driver drill --kills 0 --pauses 1 --epochs 200\n  \
                        howdah-driver drill --seeds 100 --kills 2 --kill-shards 2 --replicas 2 --synthetic 150 --size 16 \
                        --batch 1")]
pub(super) struct Args {
    #[command(flatten)]
    train: train::Args,
    /// How many executors to kill with SIGKILL while the job trains; they are started again.
    #[arg(long, default_value_t = 4)]
    kills: u32,
    /// How many parameter servers to kill with SIGKILL while the job trains; they are started again.
    #[arg(long, default_value_t = 0)]
    kill_shards: u32,
    /// How many times to put a parameter server to sleep with SIGSTOP while the job trains.
    #[arg(long, default_value_t = 0)]
    pauses: u32,
    /// How many times to put an executor to sleep with SIGSTOP while the job trains.
    #[arg(long, default_value_t = 0)]
    pause_executors: u32,
    /// For how long a process sleeps before SIGCONT, if the job goes on for so long. The driver takes one for lost after
    /// 10 s, so that both sides of that are worth a drill.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    pause: f64,
    /// With how many seeds to do all that, from --seed on; each gets a line.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: u64,
    /// How many seeds to go through at the same time, on as many clusters; a cluster takes the next seed when it is
    /// through with one.
    #[arg(long, value_name = "CLUSTERS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    at_once: u32,
    /// How long a seed may take before it counts as one that hangs.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    within: u64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no number of seconds up to a day");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if (0.0..=86_400.0).contains(&seconds) { Ok(seconds) } else { Err(wrong()) }
}

impl Args {
    fn harm(&self) -> Harm {
        Harm {
            executors: self.kills,
            servers: self.kill_shards,
            executors_paused: self.pause_executors,
            servers_paused: self.pauses,
        }
    }

    fn cluster(&self, folder: PathBuf) -> LocalOptions {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        self.train.cluster.options(cores, folder)
    }
}

/// Runs the drill.
pub(super) async fn run(args: Args) -> Result<(), CliError> {
    let flags = &args.train;
    if flags.driver.is_some() {
        return Err(CliError::Flag {
            flag: "--driver".to_owned(),
            reason: "a drill does harm only to processes that it started itself".to_owned(),
        });
    }
    let settings = TrainSettings { updates: Updates::Ones, rule: UpdateRule::Sum, ..flags.settings()? };
    settings.validate()?;
    let name = || jiff::Zoned::now().strftime("drill-%Y%m%d-%H%M%S").to_string();
    let output = flags.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name()));
    let interrupted = train::interruption();
    if args.seeds > 1 {
        let output = create_empty(&output)?;
        return seeds::run(&args, &settings, &output, &interrupted).await;
    }
    let mut folder = RunFolder::create(&output)?;
    let settings = seed::settings(&args, &settings, settings.seed, folder.path());
    settings.validate()?;
    let cluster = train::start_cluster(args.cluster(folder.path().to_owned()), &interrupted).await?;
    let display = Some(Display::new(&settings, &cluster.url()));
    let ended = seed::run(&args, &settings, &cluster, &mut folder, display, &interrupted).await;
    cluster.shutdown().await;
    out::say(&ended?.to_string());
    Ok(())
}
