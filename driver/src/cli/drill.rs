use std::time::Instant;

use howdah_executor::random::Random;
use howdah_proto::{
    event::{Event, StageKind},
    settings::{TrainSettings, Updates},
};
use tokio_util::sync::CancellationToken;

use super::{
    CliError,
    follow::{Display, is_lost_executor},
    out, train,
};
use crate::{client::Client, local::LocalCluster, output::RunFolder};

/// Kills executors at random moments of a training and checks that every batch counted exactly once.
///
/// The training takes no gradient: each step of each task pushes ones, and the parameter servers add them up. If
/// every batch counts exactly once, each of the weights is the number of batches in the end, whatever was killed.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(after_help = "Example:\n  howdah-driver drill --executors 3 --kills 8 --seed 1")]
pub(super) struct Args {
    #[command(flatten)]
    train: train::Args,
    /// How many executors to kill with SIGKILL while the job trains.
    #[arg(long, default_value_t = 4)]
    kills: u32,
}

/// Runs the drill.
pub(super) async fn run(args: Args, started: Instant) -> Result<(), CliError> {
    let flags = &args.train;
    if flags.driver.is_some() {
        return Err(CliError::Flag {
            flag: "--driver".to_owned(),
            reason: "a drill kills only executors that it started itself".to_owned(),
        });
    }
    let settings = TrainSettings { updates: Updates::Count, ..flags.settings()? };
    let output = flags.output.clone().unwrap_or_else(|| std::path::PathBuf::from("runs").join(name()));
    let mut folder = RunFolder::create(&output)?;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let interrupted = train::interruption();
    let options = flags.cluster.options(cores, folder.path().to_owned());
    let cluster = train::start_cluster(options, &interrupted).await?;
    let result = drill(&args, &settings, &cluster, &mut folder, &interrupted).await;
    cluster.shutdown().await;
    let (report, killed) = result?;
    let counted: Vec<_> = report.shards.iter().filter_map(|shard| shard.counted).collect();
    let wrong = counted.len() != report.shards.len()
        || counted.iter().any(|counted| *counted != (report.batches, report.batches));
    if wrong {
        return Err(CliError::Drill(format!(
            "{} batches, but the weights count {counted:?}",
            report.batches
        )));
    }
    let repeated: u64 = report.shards.iter().map(|shard| shard.pushes_repeated).sum();
    out::say(&format!(
        "{killed} executors killed, {} tasks tried again, {repeated} pushes came twice; each of {} weights on {} \
         shards counts {} batches, exactly ({:.1} s)",
        report.task_retries,
        report.parameters,
        report.shards.len(),
        report.batches,
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

async fn drill(
    args: &Args,
    settings: &TrainSettings,
    cluster: &LocalCluster,
    folder: &mut RunFolder,
    interrupted: &CancellationToken,
) -> Result<(howdah_proto::event::JobReport, u32), CliError> {
    let url = cluster.url();
    let mut client = Client::connect(&url).await?;
    let job = client.submit(&name(), settings).await?;
    let events = client.watch(job).await?;
    let mut display = Display::new(settings.epochs, &url);
    let mut killer = Killer::new(settings.seed, args.kills);
    let report = train::follow_to_the_end(&mut client, job, events, interrupted, |event| {
        display.show(event);
        killer.on_event(&event.event, cluster);
        Ok(folder.log(event)?)
    })
    .await;
    display.finish();
    Ok((report?, killer.killed))
}

/// Kills an executor after a random number of events of the training, again and again.
struct Killer {
    random: Random,
    left: u32,
    killed: u32,
    events_to_wait: u64,
    training: bool,
}

impl Killer {
    fn new(seed: u64, kills: u32) -> Self {
        let random = Random::new(&[seed, 0x6b69_6c6c]);
        let mut killer = Self { random, left: kills, killed: 0, events_to_wait: 0, training: false };
        killer.draw();
        killer
    }

    fn draw(&mut self) {
        self.events_to_wait = self.random.below(12);
    }

    fn on_event(&mut self, event: &Event, cluster: &LocalCluster) {
        match event {
            Event::StageStarted { kind: StageKind::Train { .. }, .. } => self.training = true,
            event if is_lost_executor(event) => return,
            _ => {}
        }
        if !self.training || self.left == 0 {
            return;
        }
        if self.events_to_wait > 0 {
            self.events_to_wait -= 1;
            return;
        }
        let victim = self.random.next_u64();
        if cluster.kill_executor(victim) {
            self.killed += 1;
            self.left -= 1;
            self.draw();
        }
    }
}

fn name() -> String {
    jiff::Zoned::now().strftime("drill-%Y%m%d-%H%M%S").to_string()
}
