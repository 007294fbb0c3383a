use std::{path::PathBuf, time::Instant};

use futures::{Stream, StreamExt};
use howdah_paramserver::role::shutdown;
use howdah_proto::{
    JobId,
    event::{Event, JobReport, Recorded},
    settings::{DataSettings, TrainSettings},
};

use super::{super::follow::Display, Args, results};
use crate::{
    cli::{CliError, out},
    client::{Client, ClientError},
    local::LocalCluster,
    output::{Metrics, RunFolder},
};

/// How long a cancelled job may take to say so.
const CANCEL: std::time::Duration = std::time::Duration::from_secs(5);

/// Trains a model.
pub(in crate::cli) async fn run(args: Args, started: Instant) -> Result<(), CliError> {
    let settings = args.settings()?;
    let name = args.name.clone().unwrap_or_else(default_name);
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(&name));
    let folder = RunFolder::create(&output)?;
    let Some(driver) = &args.driver else {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let options = args.cluster.options(cores, folder.path().to_owned());
        let starting = LocalCluster::start(options);
        // Ctrl-C during the start drops the cluster, and its children with it.
        let cluster = tokio::select! {
            cluster = starting => cluster?,
            heard = shutdown::requested() => return Err(heard.map_or_else(CliError::System, |()| CliError::Interrupted)),
        };
        let trained = train(&cluster.url(), &name, &settings, folder, &output, started).await;
        cluster.shutdown().await;
        return trained;
    };
    train(driver, &name, &settings, folder, &output, started).await
}

async fn train(
    driver: &str,
    name: &str,
    settings: &TrainSettings,
    mut folder: RunFolder,
    output: &std::path::Path,
    started: Instant,
) -> Result<(), CliError> {
    let mut client = Client::connect(driver).await?;
    let job = client.submit(name, settings).await?;
    let start_seconds = started.elapsed().as_secs_f64();
    let events = client.watch(job).await?;
    let mut display = Display::new(settings.epochs, driver);
    let report = follow_to_the_end(&mut client, job, events, |event| {
        display.show(event);
        Ok(folder.log(event)?)
    })
    .await;
    display.finish();
    let report = report?;
    let model = folder.write_model(&client.model(job).await?)?;
    let synthetic = matches!(settings.data, DataSettings::Synthetic { .. });
    let total_seconds = started.elapsed().as_secs_f64();
    let metrics = Metrics::new(name, synthetic, &report, start_seconds, total_seconds);
    folder.write_metrics(&metrics)?;
    let shown = |path: &std::path::Path| output.join(path.file_name().unwrap_or_default());
    out::say(&results(&metrics, &shown(&model), output));
    Ok(())
}

/// Follows a job until it has ended; Ctrl-C cancels it. Gives the report of a job that ended well.
pub(in crate::cli) async fn follow_to_the_end(
    client: &mut Client,
    job: JobId,
    events: impl Stream<Item = Result<Recorded, ClientError>>,
    mut on_event: impl FnMut(&Recorded) -> Result<(), CliError>,
) -> Result<JobReport, CliError> {
    let mut events = std::pin::pin!(events);
    let mut interrupted = std::pin::pin!(shutdown::requested());
    let mut cancelled = false;
    loop {
        let next = async {
            if cancelled {
                tokio::time::timeout(CANCEL, events.next()).await.ok().flatten()
            } else {
                events.next().await
            }
        };
        let event = tokio::select! {
            event = next => event,
            heard = &mut interrupted, if !cancelled => {
                heard?;
                cancelled = true;
                out::complain("stopping: the job is being cancelled");
                client.cancel(job, "interrupted by the user").await?;
                continue;
            }
        };
        let Some(recorded) = event.transpose()? else {
            return Err(if cancelled {
                CliError::Interrupted
            } else {
                CliError::Job { error: "the driver stopped before the job had ended".to_owned(), hint: None }
            });
        };
        on_event(&recorded)?;
        match recorded.event {
            Event::JobFinished(report) => return Ok(*report),
            Event::JobFailed { error, hint } => return Err(CliError::Job { error, hint }),
            Event::JobCancelled { .. } if cancelled => return Err(CliError::Interrupted),
            Event::JobCancelled { reason } => return Err(CliError::Cancelled(reason)),
            _ => {}
        }
    }
}

/// Names a run by the date and time.
fn default_name() -> String {
    jiff::Zoned::now().strftime("train-%Y%m%d-%H%M%S").to_string()
}
