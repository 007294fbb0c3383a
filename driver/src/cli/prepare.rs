use std::{path::PathBuf, time::Instant};

use howdah_proto::{
    event::{Event, PrepareReport},
    settings::{Monitor, PrepareTo, TrainSettings, Validation},
};
use tokio_util::sync::CancellationToken;

use super::{
    CliError,
    follow::Display,
    line,
    out::{self, table},
    train::{self, DataArgs, ExecutorArgs, absolute},
};
use crate::{client::Client, output::RunFolder, prepared::MANIFEST};

/// Prepares pictures once, so that trainings begin at once.
///
/// Decodes the pictures, sends them through the part of the pipeline that comes before augmentation anew in each epoch,
/// fits its operators to the training pictures, and writes what comes out as shards, with a manifest: what is in them
/// and of which classes, checksums, mean and deviation, the fitted parameters, and which pictures were left out and
/// why. `train --data` takes the folder and gives the weights that it would have given with the pictures themselves.
///
/// The pipeline, the classes, and what is held out or for validation are decided here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver prepare --data pictures --out prepared\n  \
                        howdah-driver train --data prepared\n  \
                        howdah-driver train --data prepared --seed 2 --hidden 512\n  \
                        howdah-driver prepare --data 'shards/{000..017}.tar' --pipeline hog --out s3://bucket/hog\n\n\
                        A folder without manifest.json is one that was not finished.")]
pub(super) struct Args {
    /// Where the shards and the manifest go, which the driver and all executors reach: a folder, or the URL of an
    /// object store (s3, gs or az). It must not exist, or be empty.
    #[arg(long, value_name = "FOLDER|URL")]
    out: String,
    #[command(flatten)]
    data: DataArgs,
    /// The fraction of the training pictures that trainings don't train on, but choose the epoch by. By default none.
    /// Which pictures they are depends on their paths alone.
    #[arg(long, value_name = "FRACTION")]
    validation_fraction: Option<f64>,
    /// Decides the order of the pictures, their views, and what operators are fitted to. A training with the same
    /// --seed gives the weights that it would have given with the pictures themselves.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Into how many partitions the training pictures are cut here; by default four for each task slot. Trainings cut
    /// anew. What operators are fitted to depends on it in the last bits: with 4, all is as in `train --mode sync`.
    #[arg(long)]
    partitions: Option<u32>,
    #[command(flatten)]
    executors: ExecutorArgs,
    /// Submit the job to this driver instead of starting a cluster; --data is then a folder on the driver's machine.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER", conflicts_with_all = ["executors", "slots", "memory", "no_restart"])]
    driver: Option<String>,
    /// Where the event log and the logs of the processes go; by default runs/NAME. It must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// The name of the run; by default made from the date and time.
    #[arg(long)]
    name: Option<String>,
}

impl Args {
    fn settings(&self) -> Result<TrainSettings, CliError> {
        let fraction = self.validation_fraction;
        let validation = |fraction| Validation { fraction, monitor: Monitor::default(), patience: None };
        let location = absolute(&self.out);
        let settings = TrainSettings {
            data: self.data.settings()?,
            pipeline: self.data.pipeline(None)?,
            // Pictures are cut as they would be to be trained on.
            batch: self.data.usual_batch(),
            seed: self.seed,
            validation: fraction.map(validation),
            partitions: self.partitions,
            prepare: Some(PrepareTo { location, pipeline_name: self.data.pipeline_name().to_owned() }),
            max_bad_pictures: self.data.max_bad_pictures,
            task_attempts: self.executors.task_attempts,
            executor_wait_seconds: self.executors.executor_wait,
            ..line::defaults()?
        };
        settings.validate()?;
        Ok(settings)
    }
}

/// Prepares pictures.
pub(super) async fn run(args: Args, started: Instant) -> Result<(), CliError> {
    let settings = args.settings()?;
    let name = args.name.clone().unwrap_or_else(default_name);
    let logs = args.logs.clone().unwrap_or_else(|| PathBuf::from("runs").join(&name));
    let folder = RunFolder::create(&logs)?;
    let interrupted = train::interruption();
    let (report, events) = match &args.driver {
        Some(driver) => prepare(driver, &name, &settings, folder, &interrupted).await?,
        None => {
            let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
            let options = args.executors.options(cores, folder.path().to_owned());
            let cluster = train::start_cluster(options, &interrupted).await?;
            let prepared = prepare(&cluster.url(), &name, &settings, folder, &interrupted).await;
            cluster.shutdown().await;
            prepared?
        }
    };
    drop(events);
    out::say(&shown(&report, started.elapsed().as_secs_f64()));
    Ok(())
}

async fn prepare(
    driver: &str,
    name: &str,
    settings: &TrainSettings,
    mut folder: RunFolder,
    interrupted: &CancellationToken,
) -> Result<(PrepareReport, RunFolder), CliError> {
    let mut client = Client::connect(driver).await?;
    let job = client.submit(name, settings).await?;
    let events = client.watch(job).await?;
    let mut display = Display::new(settings, driver);
    let last = train::follow_to_the_last(&mut client, job, events, interrupted, |event| {
        display.show(event);
        Ok(folder.log(event)?)
    })
    .await;
    display.finish();
    match last? {
        Event::JobPrepared(report) => Ok((*report, folder)),
        _ => Err(CliError::Job { error: "the driver trained instead of preparing".to_owned(), hint: None }),
    }
}

/// The table that the command ends with.
fn shown(report: &PrepareReport, seconds: f64) -> String {
    let roles = [("train", &report.train), ("validation", &report.validation), ("held out", &report.test)];
    let roles: Vec<_> =
        roles.into_iter().filter(|(_, counts)| counts.iter().any(|count| *count > 0)).collect();
    let cells = |first: &str, rest: Vec<String>| [vec![first.to_owned()], rest].concat();
    let mut rows = vec![cells("class", roles.iter().map(|(role, _)| (*role).to_owned()).collect())];
    for (place, class) in report.classes.iter().enumerate() {
        let count = |(_, counts): &(&str, &Vec<u64>)| counts.get(place).copied().unwrap_or(0).to_string();
        rows.push(cells(class, roles.iter().map(count).collect()));
    }
    let PrepareReport { location, shards, bytes, mean, deviation, skipped_pictures, .. } = report;
    let mib = *bytes as f64 / f64::from(1 << 20);
    let left_out = match skipped_pictures {
        0 => String::new(),
        1 => format!("; 1 picture left out, see {MANIFEST}"),
        count => format!("; {count} pictures left out, see {MANIFEST}"),
    };
    let times = &report.seconds;
    format!(
        "{}\n\n{shards} shards, {mib:.1} MiB, values of mean {mean:.4} and deviation {deviation:.4}{left_out}\n\
         {seconds:.1} s: {:.1} to prepare, {:.1} to write\n\
         howdah-driver train --data {location}",
        table(&rows),
        times.preprocess,
        times.save,
    )
}

fn default_name() -> String {
    jiff::Zoned::now().strftime("prepare-%Y%m%d-%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    fn settings(flags: &[&str]) -> Result<TrainSettings, CliError> {
        Only::try_parse_from(["only"].iter().chain(flags))
            .unwrap_or_else(|error| panic!("{error}"))
            .args
            .settings()
    }

    #[test]
    fn what_is_prepared_is_cut_as_the_pipeline_is_trained() {
        let features = settings(&["--out", "/set"]).unwrap();
        let pixels =
            settings(&["--out", "s3://bucket/set", "--pipeline", "seed", "--validation-fraction", "0.25"])
                .unwrap();
        assert_eq!((features.batch, pixels.batch), (64, 32));
        let to = pixels.prepare.unwrap();
        assert_eq!((to.location.as_str(), to.pipeline_name.as_str()), ("s3://bucket/set", "seed"));
        assert_eq!(pixels.validation.unwrap().fraction, 0.25);
        assert!(settings(&["--out", "set"]).unwrap().prepare.unwrap().location.starts_with('/'));
        assert!(settings(&["--out", "set", "--validation-fraction", "2"]).is_err());
    }
}
