use std::{
    path::Path,
    time::{Duration, Instant},
};

use howdah_proto::{event::JobReport, settings::TrainSettings};
use tokio_util::sync::CancellationToken;

use super::{
    Args,
    harm::{Done, Harm, Saboteur},
};
use crate::{
    cli::{CliError, follow::Display, train},
    client::Client,
    local::LocalCluster,
    output::RunFolder,
};

/// What came of a seed.
#[derive(Debug)]
pub(super) struct Outcome {
    report: JobReport,
    wanted: Harm,
    pub(super) done: Done,
    seconds: f64,
}

/// Trains with a seed on a cluster, does harm to it meanwhile, and checks the counts at the end.
///
/// # Errors
/// [`CliError::Drill`] if a batch did not count exactly once, or the job did not end in time.
pub(super) async fn run(
    args: &Args,
    settings: &TrainSettings,
    cluster: &LocalCluster,
    folder: &mut RunFolder,
    mut display: Option<Display>,
    interrupted: &CancellationToken,
) -> Result<Outcome, CliError> {
    let began = Instant::now();
    cluster.all_joined().await?;
    let mut client = Client::connect(&cluster.url()).await?;
    let job = client.submit(&format!("drill-{}", settings.seed), settings).await?;
    let events = client.watch(job).await?;
    let pause = Duration::from_secs_f64(args.pause);
    let mut saboteur = Saboteur::begin(settings.seed, args.harm(), pause, cluster.processes());
    let within = Duration::from_secs(args.within);
    let followed = train::follow_to_the_end(&mut client, job, events, interrupted, |event| {
        if let Some(display) = &mut display {
            display.show(event);
        }
        saboteur.on_event(&event.event);
        Ok(folder.log(event)?)
    });
    let ended = tokio::time::timeout(within, followed).await;
    let done = saboteur.end().await;
    if let Some(display) = &mut display {
        display.finish();
    }
    let Ok(report) = ended else {
        client.cancel(job, "the drill waits no longer").await?;
        return Err(CliError::Drill(format!("the job did not end within {} s", args.within)));
    };
    let report = report?;
    check(&report)?;
    Ok(Outcome { report, wanted: args.harm(), done, seconds: began.elapsed().as_secs_f64() })
}

fn check(report: &JobReport) -> Result<(), CliError> {
    let counted: Vec<_> = report.shards.iter().filter_map(|shard| shard.counted).collect();
    let applied = report.shards.iter().map(|shard| shard.batches_applied);
    let exact = !counted.is_empty()
        && counted.len() == report.shards.len()
        && counted.iter().all(|counted| *counted == (report.batches, report.batches))
        && applied.clone().all(|applied| applied == report.batches);
    if exact {
        return Ok(());
    }
    let (batches, applied) = (report.batches, applied.collect::<Vec<_>>());
    Err(CliError::Drill(format!(
        "{batches} batches, but the weights count {counted:?}, and the shards have applied {applied:?}"
    )))
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { report, wanted, done: Done { harm, woke }, seconds } = self;
        let [paused, to_pause] = [harm, wanted].map(|harm| harm.executors_paused + harm.servers_paused);
        write!(
            f,
            "{} of {} executors and {} of {} parameter servers killed",
            harm.executors, wanted.executors, harm.servers, wanted.servers
        )?;
        if to_pause > 0 {
            write!(
                f,
                ", {paused} of {to_pause} processes put to sleep, {woke} of which went on while the job did"
            )?;
        }
        let repeated: u64 = report.shards.iter().map(|shard| shard.pushes_repeated).sum();
        write!(
            f,
            "; {} shards lost, {} tasks tried again, {repeated} pushes came twice; each of {} weights on {} shards counts \
             {} batches, exactly ({seconds:.1} s)",
            report.shards_lost,
            report.task_retries,
            report.parameters,
            report.shards.len(),
            report.batches,
        )
    }
}

/// What a seed is trained with: its own number, and snapshots in its own folder, or in a place of its own below the one
/// that was said.
pub(super) fn settings(args: &Args, base: &TrainSettings, seed: u64, folder: &Path) -> TrainSettings {
    let mut snapshots = args.train.snapshots.clone();
    snapshots.go_below(&format!("seed-{seed}"));
    TrainSettings { seed, snapshots: snapshots.settings(Some(folder)), ..base.clone() }
}
