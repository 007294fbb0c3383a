use std::path::PathBuf;

use howdah_proto::{
    JobId,
    event::{Event, JobReport, Role},
    settings::{SnapshotSettings, TrainSettings},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::{CliError, train};
use crate::{
    client::Client,
    output::RunFolder,
    search::{Assignment, Measured, Outcome},
    snapshot::Store,
};

/// An assignment that is to be carried out as a job.
pub(super) struct Trial {
    pub(super) assignment: Assignment,
    pub(super) name: String,
    pub(super) settings: Result<TrainSettings, CliError>,
    pub(super) folder: PathBuf,
    pub(super) client: Client,
    pub(super) stop: CancellationToken,
    /// What a person should hear of it.
    pub(super) news: mpsc::UnboundedSender<String>,
}

/// A trial that has ended, and the job that it was.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    /// The job that has its model; none if there is no model.
    pub(super) job: Option<JobId>,
}

impl Ran {
    fn failed(error: &CliError) -> Self {
        Self { outcome: Outcome::Failed { error: error.to_string() }, job: None }
    }
}

impl Trial {
    /// Trains, from the trial's last snapshot if it has one. A job that fails is an outcome; what is an error ends the
    /// study.
    pub(super) async fn run(self) -> Result<Ran, CliError> {
        let mut settings = match self.settings {
            Ok(settings) => settings,
            Err(error) => return Ok(Ran::failed(&error)),
        };
        settings.resume = resumable(settings.snapshots.as_ref()).await;
        let mut folder = RunFolder::reopen(&self.folder)?;
        let mut client = self.client;
        let job = client.submit(&self.name, &settings).await?;
        let events = client.watch(job).await?;
        let report = train::follow_to_the_end(&mut client, job, events, &self.stop, |recorded| {
            if let Some(news) = news(&recorded.event) {
                // Nobody listens any more when the study has been given up.
                let _ = self.news.send(news);
            }
            Ok(folder.log(recorded)?)
        })
        .await;
        match report {
            Ok(report) => Ok(Ran { outcome: Outcome::Trained(measured(&report)), job: Some(job) }),
            Err(error @ CliError::Job { .. }) => Ok(Ran::failed(&error)),
            Err(error) => Err(error),
        }
    }
}

/// Where the newest snapshot of a trial is, if it has one.
async fn resumable(snapshots: Option<&SnapshotSettings>) -> Option<String> {
    let location = &snapshots?.location;
    let newest = async { Store::open(location)?.newest().await };
    match newest.await {
        Ok(_) => Some(location.clone()),
        Err(error) => {
            tracing::info!(location, %error, "there is no snapshot to go on with");
            None
        }
    }
}

fn measured(report: &JobReport) -> Measured {
    let last = report.epochs.last();
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    Measured {
        accuracy: finite(last.and_then(|epoch| epoch.test_accuracy)),
        loss: finite(last.and_then(|epoch| epoch.test_loss)),
        seconds: report.seconds.total,
    }
}

fn news(event: &Event) -> Option<String> {
    Some(match event {
        Event::MemberLost { role, name, reason, .. }
            if *role == Role::Executor || *role == Role::Paramserver =>
        {
            format!("lost {role} {name}: {reason}")
        }
        Event::Waiting { reason } => format!("waiting: {reason}"),
        Event::PictureSkipped { path, reason } => format!("left out {path}: {reason}"),
        Event::SnapshotFailed { reason } => format!("a snapshot could not be taken: {reason}"),
        _ => return None,
    })
}
