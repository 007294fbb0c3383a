use std::path::PathBuf;

use howdah_executor::learn::Model;
use howdah_proto::{
    JobId,
    event::{Event, JobReport, Role},
    settings::TrainSettings,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::{CliError, train};
use crate::{
    client::Client,
    output::{Card, HeldOut, PictureCounts, RunFolder, RunMetrics},
    search::{Assignment, Measured, Outcome},
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

/// A trial that has ended.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    /// None if there is no model.
    pub(super) trained: Option<Box<Trained>>,
}

/// A job that has a model, and what its card tells.
pub(super) struct Trained {
    pub(super) job: JobId,
    name: String,
    settings: TrainSettings,
    pictures: Option<PictureCounts>,
    report: JobReport,
}

impl Trained {
    /// The card of its model.
    pub(super) fn card(&self, model: &Model, held_out: HeldOut) -> String {
        let Self { name, settings, pictures, report, .. } = self;
        let run = RunMetrics::new(name, &settings.data, report, 0.0, report.seconds.total);
        Card { model, settings, pictures: pictures.as_ref(), run: &run, held_out }.markdown()
    }
}

impl Ran {
    fn failed(error: &CliError) -> Self {
        Self { outcome: Outcome::Failed { error: error.to_string() }, trained: None }
    }
}

impl Trial {
    /// Trains, from the trial's last snapshot if it has one. A job that fails is an outcome; what is an error ends the
    /// study, so that a trial is not given up for what is in its place.
    pub(super) async fn run(self) -> Result<Ran, CliError> {
        let settings = match self.settings {
            Ok(settings) => settings,
            Err(error) => return Ok(Ran::failed(&error)),
        };
        let mut folder = RunFolder::reopen(&self.folder)?;
        let mut client = self.client;
        let mut pictures = None;
        let job = client.submit(&self.name, &settings).await?;
        let events = client.watch(job).await?;
        let report = train::follow_to_the_end(&mut client, job, events, &self.stop, |recorded| {
            pictures = PictureCounts::of(&recorded.event).or_else(|| pictures.take());
            if let Some(news) = news(&recorded.event) {
                // Nobody listens any more when the study has been given up.
                let _ = self.news.send(news);
            }
            Ok(folder.log(recorded)?)
        })
        .await;
        match report {
            Ok(report) => {
                let outcome = Outcome::Trained(measured(&report));
                let trained = Trained { job, name: self.name, settings, pictures, report };
                Ok(Ran { outcome, trained: Some(Box::new(trained)) })
            }
            Err(error @ CliError::Job { .. }) => Ok(Ran::failed(&error)),
            Err(error) => Err(error),
        }
    }
}

/// What the weights of the model give on the pictures held out; those of the last epoch if that wasn't told.
fn measured(report: &JobReport) -> Measured {
    let last = report.epochs.last();
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let of_model = report.test.as_ref();
    Measured {
        accuracy: finite(of_model.map(|test| test.accuracy).or(last.and_then(|epoch| epoch.test_accuracy))),
        loss: finite(of_model.map(|test| test.loss).or(last.and_then(|epoch| epoch.test_loss))),
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
