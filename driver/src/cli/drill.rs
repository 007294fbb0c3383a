use std::time::Instant;

use howdah_executor::random::Random;
use howdah_proto::{
    event::{Event, Role, StageKind},
    settings::{TrainSettings, UpdateRule, Updates},
};
use tokio_util::sync::CancellationToken;

use super::{
    CliError,
    follow::{Display, is_lost},
    out, train,
};
use crate::{client::Client, local::LocalCluster, output::RunFolder};

/// Kills executors and parameter servers at random moments of a training and checks that every batch counted exactly once.
///
/// The training takes no gradient: each step of each task pushes ones, and the parameter servers add them up. If
/// every batch counts exactly once, each of the weights is the number of batches in the end, whatever was killed.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(after_help = "Example:\n  howdah-driver drill --executors 3 --kills 8 --seed 1\n  \
                        howdah-driver drill --kill-shards 4 --replicas 2")]
pub(super) struct Args {
    #[command(flatten)]
    train: train::Args,
    /// How many executors to kill with SIGKILL while the job trains.
    #[arg(long, default_value_t = 4)]
    kills: u32,
    /// How many parameter servers to kill with SIGKILL while the job trains; they are started again.
    #[arg(long, default_value_t = 0)]
    kill_shards: u32,
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
    let mut settings = TrainSettings { updates: Updates::Ones, rule: UpdateRule::Sum, ..flags.settings()? };
    let output = flags.output.clone().unwrap_or_else(|| std::path::PathBuf::from("runs").join(name()));
    let mut folder = RunFolder::create(&output)?;
    settings.snapshots = flags.snapshots.settings(Some(folder.path()));
    settings.validate()?;
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
        "{} executors and {} parameter servers killed, {} shards lost, {} tasks tried again, {repeated} pushes came twice; each of {} weights on {} \
         shards counts {} batches, exactly ({:.1} s)",
        killed.executors,
        killed.servers,
        report.shards_lost,
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
) -> Result<(howdah_proto::event::JobReport, Kills), CliError> {
    let url = cluster.url();
    let mut client = Client::connect(&url).await?;
    let job = client.submit(&name(), settings).await?;
    let events = client.watch(job).await?;
    let mut display = Display::new(settings.epochs, &url);
    let mut killer = Killer::new(settings.seed, Kills { executors: args.kills, servers: args.kill_shards });
    let report = train::follow_to_the_end(&mut client, job, events, interrupted, |event| {
        display.show(event);
        killer.on_event(&event.event, cluster);
        Ok(folder.log(event)?)
    })
    .await;
    display.finish();
    Ok((report?, killer.killed))
}

/// How many processes are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Kills {
    executors: u32,
    servers: u32,
}

/// Kills a process after a random number of events of the training, again and again.
struct Killer {
    random: Random,
    left: Kills,
    killed: Kills,
    events_to_wait: u64,
    training: bool,
}

impl Killer {
    fn new(seed: u64, left: Kills) -> Self {
        let random = Random::new(&[seed, 0x6b69_6c6c]);
        let mut killer = Self { random, left, killed: Kills::default(), events_to_wait: 0, training: false };
        killer.draw();
        killer
    }

    fn draw(&mut self) {
        self.events_to_wait = self.random.below(12);
    }

    fn on_event(&mut self, event: &Event, cluster: &LocalCluster) {
        match event {
            Event::StageStarted { kind: StageKind::Train { .. }, .. } => self.training = true,
            event if is_lost(event, Role::Executor) || is_lost(event, Role::Paramserver) => return,
            _ => {}
        }
        let left = u64::from(self.left.executors) + u64::from(self.left.servers);
        if !self.training || left == 0 {
            return;
        }
        if self.events_to_wait > 0 {
            self.events_to_wait -= 1;
            return;
        }
        let (role, victim) = (self.random.below(left), self.random.next_u64());
        if role < u64::from(self.left.executors) {
            if cluster.kill_executor(victim) {
                self.killed.executors += 1;
                self.left.executors -= 1;
                self.draw();
            }
        } else if cluster.kill_paramserver(victim) {
            self.killed.servers += 1;
            self.left.servers -= 1;
            self.draw();
        }
    }
}

fn name() -> String {
    jiff::Zoned::now().strftime("drill-%Y%m%d-%H%M%S").to_string()
}
