use std::{
    path::{Component, Path, PathBuf},
    time::Instant,
};

use futures::{Stream, StreamExt};
use howdah_executor::learn::{Combine, Model, ModelError, save_onnx};
use howdah_paramserver::role::shutdown;
use howdah_proto::{
    JobId,
    event::{Event, JobReport, Recorded},
    settings::{DataSettings, TrainSettings},
};

use tokio_util::sync::CancellationToken;

use super::{super::follow::Display, Args, args::GoesOnFrom, results, resume::resume, stopped::Stopped};
use crate::{
    cli::{CliError, out},
    client::{Client, ClientError},
    local::{LocalCluster, LocalOptions},
    output::{Card, HeldOut, OutputError, PictureCounts, RunFolder, RunMetrics},
};

/// Runs of the same name in one folder, at most.
const MOST_NAMESAKES: u32 = 1000;

/// How long a cancelled job may take to say so.
const CANCEL: std::time::Duration = std::time::Duration::from_secs(5);

/// Trains a model.
pub(in crate::cli) async fn run(args: Args, started: Instant) -> Result<(), CliError> {
    let name = args.name.clone().unwrap_or_else(default_name);
    let (mut settings, run_folder) = match &args.snapshots.resume {
        Some(run) => {
            let resumed = resume(&args, run).await?;
            (resumed.settings, resumed.folder)
        }
        None => (args.settings()?, None),
    };
    let is_own = run_folder.is_some();
    // What a driver elsewhere can write, it sees itself.
    if args.driver.is_none() {
        args.snapshots.try_out()?;
    }
    let (output, folder) = match (&args.output, run_folder) {
        (None, Some(run)) => {
            let folder = RunFolder::reopen(&run)?;
            (run, folder)
        }
        (output, _) => {
            check_data(&args, &settings)?;
            match output {
                Some(output) => (output.clone(), RunFolder::create(output)?),
                None => {
                    check_name(&name)?;
                    create_numbered(&PathBuf::from("runs").join(&name))?
                }
            }
        }
    };
    let here = args.driver.is_none().then(|| folder.path());
    settings.snapshots = match (settings.snapshots.take(), &settings.resume) {
        (Some(earlier), Some(snapshots)) => {
            let from = GoesOnFrom { snapshots, is_own };
            args.snapshots.settings_after(earlier, &args.said, from, here)
        }
        _ => args.snapshots.settings(here),
    };
    settings.validate()?;
    let interrupted = interruption();
    let (settings, output, interrupted) = (&settings, &output, &interrupted);
    let is_shared = args.driver.is_some();
    let run = Run { name: &name, settings, output, onnx: args.onnx, is_shared, started, interrupted };
    let Some(driver) = &args.driver else {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let options = args.cluster.options(cores, folder.path().to_owned());
        let cluster = start_cluster(options, interrupted).await?;
        let trained = run.train(&cluster.url(), folder).await;
        cluster.shutdown().await;
        return trained;
    };
    run.train(driver, folder).await
}

/// A name is that of a folder in `runs`, and leads nowhere else.
fn check_name(name: &str) -> Result<(), CliError> {
    let mut parts = Path::new(name).components();
    if matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name) {
        return Ok(());
    }
    let reason = format!("`{name}` can't be the name of a folder; --output takes a path");
    Err(CliError::Flag { flag: "--name".to_owned(), reason })
}

/// Starts a cluster on this machine. Ctrl-C drops it, and its children with it.
pub(in crate::cli) async fn start_cluster(
    options: LocalOptions,
    interrupted: &CancellationToken,
) -> Result<LocalCluster, CliError> {
    tokio::select! {
        cluster = LocalCluster::start(options) => Ok(cluster?),
        () = interrupted.cancelled() => Err(CliError::Interrupted),
    }
}

/// Is cancelled when the user presses Ctrl-C, however early that is.
pub(in crate::cli) fn interruption() -> CancellationToken {
    let interrupted = CancellationToken::new();
    // Where signals can't be listened to, Ctrl-C ends the process, and its children with it.
    if let Ok(requested) = shutdown::listen() {
        let token = interrupted.clone();
        tokio::spawn(async move {
            requested.await;
            token.cancel();
        });
    }
    interrupted
}

/// One run of the command.
struct Run<'a> {
    name: &'a str,
    settings: &'a TrainSettings,
    output: &'a Path,
    /// Whether the network is wanted as ONNX, too.
    onnx: bool,
    /// Whether the cluster is there for others too.
    is_shared: bool,
    started: Instant,
    interrupted: &'a CancellationToken,
}

impl Run<'_> {
    async fn train(&self, driver: &str, mut folder: RunFolder) -> Result<(), CliError> {
        let Self { name, settings, output, onnx, is_shared, started, interrupted } = *self;
        let mut client = Client::connect(driver).await?;
        let job = client.submit(name, settings).await?;
        if is_shared {
            out::complain(&format!("job {job} on {driver}"));
        }
        let start_seconds = started.elapsed().as_secs_f64();
        let events = client.watch(job).await?;
        let mut display = Display::new(settings, driver);
        let (mut pictures, mut is_saved, mut unsaved) = (None, false, None);
        let report = follow_to_the_end(&mut client, job, events, interrupted, |event| {
            display.show(event);
            match &event.event {
                Event::SnapshotTaken { .. } => is_saved = true,
                Event::SnapshotFailed { reason } => unsaved = Some(reason.clone()),
                _ => {}
            }
            pictures = PictureCounts::of(&event.event).or_else(|| pictures.take());
            Ok(folder.log(event)?)
        })
        .await;
        display.finish();
        let stopped = Stopped { settings, output, driver: is_shared.then_some(driver), is_saved };
        let report = report.map_err(|error| stopped.with_hint(error))?;
        let bytes = client.model(job).await?;
        let path = folder.write_model(&bytes)?;
        let model = Model::from_bytes(&bytes).map_err(|fault| ModelError { path: path.clone(), fault })?;
        if onnx {
            save_onnx(std::slice::from_ref(&model), Combine::default(), &folder.onnx_path())?;
        }
        let total_seconds = started.elapsed().as_secs_f64();
        let metrics = RunMetrics::new(name, &settings.data, &report, start_seconds, total_seconds);
        folder.write_metrics(&metrics)?;
        let (pictures, held_out) = (pictures.as_ref(), HeldOut::DecidedNothing);
        let card = Card { model: &model, settings, pictures, run: &metrics, held_out };
        folder.write_card(&card)?;
        let shown = |path: &Path| output.join(path.file_name().unwrap_or_default());
        out::say(&results(&metrics, &shown(&path), output));
        if let Some(complaint) = unsaved.and_then(|reason| stopped.complaint(&reason)) {
            out::complain(&complaint);
        }
        Ok(())
    }
}

/// Follows a job until it has ended; Ctrl-C cancels it. Gives the report of a job that ended well.
pub(in crate::cli) async fn follow_to_the_end(
    client: &mut Client,
    job: JobId,
    events: impl Stream<Item = Result<Recorded, ClientError>>,
    interrupted: &CancellationToken,
    on_event: impl FnMut(&Recorded) -> Result<(), CliError>,
) -> Result<JobReport, CliError> {
    match follow_to_the_last(client, job, events, interrupted, on_event).await? {
        Event::JobFinished(report) => Ok(*report),
        _ => Err(CliError::Job { error: "the driver did not train".to_owned(), hint: None }),
    }
}

/// The same of a job that may be for anything: gives the last event, which is that of a good end.
pub(in crate::cli) async fn follow_to_the_last(
    client: &mut Client,
    job: JobId,
    events: impl Stream<Item = Result<Recorded, ClientError>>,
    interrupted: &CancellationToken,
    mut on_event: impl FnMut(&Recorded) -> Result<(), CliError>,
) -> Result<Event, CliError> {
    let mut events = std::pin::pin!(events);
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
            () = interrupted.cancelled(), if !cancelled => {
                cancelled = true;
                out::complain("stopping: the job is being cancelled");
                client.cancel(job, "interrupted by the user").await?;
                continue;
            }
        };
        let Some(recorded) = event.transpose()? else {
            return Err(if cancelled { CliError::Interrupted } else { CliError::DriverStopped });
        };
        on_event(&recorded)?;
        match recorded.event {
            last @ (Event::JobFinished(_) | Event::JobPrepared(_)) => return Ok(last),
            Event::JobFailed { error, hint, by_place: true } => return Err(CliError::Place { error, hint }),
            Event::JobFailed { error, hint, .. } => return Err(CliError::Job { error, hint }),
            Event::JobCancelled { .. } if cancelled => return Err(CliError::Interrupted),
            Event::JobCancelled { reason } => return Err(CliError::Cancelled(reason)),
            _ => {}
        }
    }
}

/// Makes sure that the pictures are there before a folder is made for what comes of them, if this machine is to read them.
fn check_data(args: &Args, settings: &TrainSettings) -> Result<(), CliError> {
    let DataSettings::Folder { train, test, .. } = &settings.data else { return Ok(()) };
    if args.driver.is_some() {
        return Ok(());
    }
    let is_gone = |place: &&PathBuf| {
        let text = place.to_string_lossy();
        // A URL, or a pattern of several, is for whoever lists them.
        !text.contains(['*', '?', '[', '{']) && !text.contains("://") && !place.exists()
    };
    let named = [("--data", Some(train)), ("--test", test.as_ref())];
    let mut given = named.into_iter().filter_map(|(flag, place)| Some((flag, place?)));
    let gone = given.find(|(_, place)| is_gone(place));
    gone.map_or(Ok(()), |(flag, place)| {
        let (flag, reason) = (flag.to_owned(), format!("there is nothing at {}", place.display()));
        Err(CliError::Flag { flag, reason })
    })
}

/// Makes the folder of a run, with a number behind its name if another run of that name was there first.
fn create_numbered(path: &Path) -> Result<(PathBuf, RunFolder), CliError> {
    let mut number = 1;
    loop {
        let path = match number {
            1 => path.to_owned(),
            number => {
                path.with_file_name(format!("{}-{number}", path.file_name().unwrap_or_default().display()))
            }
        };
        match RunFolder::create(&path) {
            Err(OutputError::NotEmpty(_)) if number < MOST_NAMESAKES => number += 1,
            created => return Ok((path, created?)),
        }
    }
}

/// Names a run by the date and time.
fn default_name() -> String {
    jiff::Zoned::now().strftime("train-%Y%m%d-%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_of_the_folder_of_runs_is_refused() {
        for name in ["../x", "a/b", "/x", "..", ".", "", "a/"] {
            let error = check_name(name).unwrap_err().to_string();
            assert!(error.starts_with("--name: "), "{error}");
        }
        assert!(check_name("cats and dogs.2").is_ok() && check_name(&default_name()).is_ok());
    }
}
