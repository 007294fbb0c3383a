use std::time::{Duration, Instant};

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

/// Kills and pauses processes at random moments of a training and checks that every batch counted exactly once.
///
/// The training takes no gradient: each step of each task pushes ones, and the parameter servers add them up. If
/// every batch counts exactly once, each of the weights is the number of batches in the end, whatever was killed.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(after_help = "Example:\n  howdah-driver drill --executors 3 --kills 8 --seed 1\n  \
                        howdah-driver drill --kill-shards 4 --replicas 2\n  \
                        howdah-driver drill --kills 0 --pauses 1 --epochs 200")]
pub(super) struct Args {
    #[command(flatten)]
    train: train::Args,
    /// How many executors to kill with SIGKILL while the job trains.
    #[arg(long, default_value_t = 4)]
    kills: u32,
    /// How many parameter servers to kill with SIGKILL while the job trains; they are started again.
    #[arg(long, default_value_t = 0)]
    kill_shards: u32,
    /// How many times to put a parameter server to sleep with SIGSTOP while the job trains.
    #[arg(long, default_value_t = 0)]
    pauses: u32,
    /// For how long a parameter server sleeps before it goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pause: u32,
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
    let (report, done) = result?;
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
        "{} executors and {} parameter servers killed, {} put to sleep, {} shards lost, {} tasks tried again, {repeated} \
         pushes came twice; each of {} weights on {} shards counts {} batches, exactly ({:.1} s)",
        done.executors,
        done.servers,
        done.pauses,
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
) -> Result<(howdah_proto::event::JobReport, Harm), CliError> {
    let url = cluster.url();
    let mut client = Client::connect(&url).await?;
    let job = client.submit(&name(), settings).await?;
    let events = client.watch(job).await?;
    let mut display = Display::new(settings, &url);
    let harm = Harm { executors: args.kills, servers: args.kill_shards, pauses: args.pauses };
    let pause = Duration::from_secs(args.pause.into());
    let mut saboteur = Saboteur::new(settings.seed, harm, pause);
    let report = train::follow_to_the_end(&mut client, job, events, interrupted, |event| {
        display.show(event);
        saboteur.on_event(&event.event, cluster);
        Ok(folder.log(event)?)
    })
    .await;
    display.finish();
    Ok((report?, saboteur.done))
}

/// What is done to processes, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Harm {
    /// Executors that are killed.
    executors: u32,
    /// Parameter servers that are killed.
    servers: u32,
    /// Parameter servers that are put to sleep for a while.
    pauses: u32,
}

/// Does harm to a process after a random number of events of the training, again and again.
struct Saboteur {
    random: Random,
    left: Harm,
    done: Harm,
    pause: Duration,
    events_to_wait: u64,
    training: bool,
}

impl Saboteur {
    fn new(seed: u64, left: Harm, pause: Duration) -> Self {
        let random = Random::new(&[seed, 0x6b69_6c6c]);
        let mut saboteur =
            Self { random, left, done: Harm::default(), pause, events_to_wait: 0, training: false };
        saboteur.draw();
        saboteur
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
        let Harm { executors, servers, pauses } = self.left;
        let (executors, servers) = (u64::from(executors), u64::from(servers));
        let left = executors + servers + u64::from(pauses);
        if !self.training || left == 0 {
            return;
        }
        if self.events_to_wait > 0 {
            self.events_to_wait -= 1;
            return;
        }
        let (kind, victim) = (self.random.below(left), self.random.next_u64());
        let (is_done, left, done) = if kind < executors {
            (cluster.kill_executor(victim), &mut self.left.executors, &mut self.done.executors)
        } else if kind < executors + servers {
            (cluster.kill_paramserver(victim), &mut self.left.servers, &mut self.done.servers)
        } else {
            let is_done = cluster.pause_paramserver(victim, self.pause);
            (is_done, &mut self.left.pauses, &mut self.done.pauses)
        };
        if is_done {
            *left -= 1;
            *done += 1;
            self.draw();
        }
    }
}

fn name() -> String {
    jiff::Zoned::now().strftime("drill-%Y%m%d-%H%M%S").to_string()
}
