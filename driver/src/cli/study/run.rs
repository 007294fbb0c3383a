use std::collections::BTreeSet;

use howdah_executor::learn::{Model, ModelError};
use howdah_proto::settings::TrainSettings;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Site,
    show::Show,
    table,
    trial::{Ran, Trial},
};
use crate::{
    cli::{
        CliError,
        line::{Base, command_line, parse},
        out::{driver_flag, quoted},
    },
    client::Client,
    output::{HeldOut, StudyFolder},
    search::{Assignment, Entry, Flags, Journal, Judged, Trials},
};

/// Which models of a study are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Keep {
    /// That of the best one.
    Best,
    /// All of them.
    All,
}

impl Keep {
    /// What the pictures have decided that the trials were judged by.
    fn held_out(self) -> HeldOut {
        match self {
            Self::Best => HeldOut::ChoseSettings,
            Self::All => HeldOut::DecidedNothing,
        }
    }
}

/// A study that is carried out on a cluster.
pub(in crate::cli) struct Run {
    pub(in crate::cli) folder: StudyFolder,
    pub(in crate::cli) base: Base,
    pub(in crate::cli) trials: Trials,
    pub(super) journal: Journal,
    /// The command that carries it out.
    pub(super) command: &'static str,
    pub(super) keep: Keep,
    /// What it is called in messages, and how the trials' jobs are named.
    pub(in crate::cli) name: String,
}

/// Trials that are under way, and what is heard of them.
struct Jobs {
    client: Client,
    stop: CancellationToken,
    news: mpsc::UnboundedSender<String>,
    running: JoinSet<(Assignment, Result<Ran, CliError>)>,
}

impl Run {
    /// Carries the study out, up to `concurrent` trials at once.
    pub(in crate::cli) async fn lead(
        &mut self,
        site: &Site,
        concurrent: usize,
        interrupted: &CancellationToken,
    ) -> Result<(), CliError> {
        let is_remote = site.own.is_none();
        let (news, mut heard) = mpsc::unbounded_channel();
        let mut jobs = Jobs {
            client: Client::connect(&site.url).await?,
            stop: interrupted.child_token(),
            news,
            running: JoinSet::new(),
        };
        let show = Show::new(&self.trials);
        let mut told = BTreeSet::new();
        for assignment in self.trials.running().collect::<Vec<_>>() {
            self.start(assignment, is_remote, &mut jobs)?;
        }
        let mut failure = None;
        loop {
            while failure.is_none() && !jobs.stop.is_cancelled() && jobs.running.len() < concurrent.max(1) {
                let Some(assignment) = self.trials.next_trial() else { break };
                let flags = self.trials.study().drawn(assignment.trial);
                self.journal.append(&Entry::Started { assignment, flags })?;
                self.start(assignment, is_remote, &mut jobs)?;
            }
            show.running(&self.trials);
            let ended = tokio::select! {
                ended = jobs.running.join_next() => ended,
                Some(news) = heard.recv() => {
                    // All trials that run hear of what happens to the cluster.
                    if told.insert(news.clone()) {
                        show.line(&news);
                    }
                    continue;
                }
            };
            let Some(ended) = ended else { break };
            let judged = match ended {
                Ok((assignment, Ok(ran))) => self.ended(assignment, ran, &mut jobs.client).await,
                Ok((_, Err(error))) => Err(error),
                Err(error) => Err(std::io::Error::other(error).into()),
            };
            match judged {
                Ok(()) => show.judged(&self.trials),
                Err(error) => {
                    jobs.stop.cancel();
                    failure.get_or_insert(error);
                }
            }
            if let Some(error) = self.trials.hopeless(concurrent.max(3)).filter(|_| failure.is_none()) {
                failure = Some(CliError::Hopeless(error.to_owned()));
                jobs.stop.cancel();
            }
        }
        show.finish();
        match failure {
            Some(error) => Err(error),
            None if interrupted.is_cancelled() => Err(CliError::Interrupted),
            None => Ok(()),
        }
    }

    fn start(&self, assignment: Assignment, is_remote: bool, jobs: &mut Jobs) -> Result<(), CliError> {
        let trial = assignment.trial;
        let trial = Trial {
            assignment,
            name: format!("{}-{trial}", self.name),
            settings: self.settings(assignment, is_remote),
            folder: self.folder.make_trial(trial)?,
            client: jobs.client.clone(),
            stop: jobs.stop.clone(),
            news: jobs.news.clone(),
        };
        jobs.running.spawn(async move { (trial.assignment, trial.run().await) });
        Ok(())
    }

    /// What the driver is told of an assignment.
    fn settings(&self, assignment: Assignment, is_remote: bool) -> Result<TrainSettings, CliError> {
        let study = self.trials.study();
        let epochs = Flags::from([("epochs".to_owned(), assignment.epochs.to_string())]);
        let line = command_line(&self.base, &[&study.shared(), &study.drawn(assignment.trial), &epochs]);
        let mut args = parse(&line)?;
        args.snapshots.go_below(&format!("{}-{}", self.name, assignment.trial));
        args.snapshots.goes_on = true;
        let mut settings = args.settings()?;
        if settings.snapshots.is_none() && !is_remote {
            settings.snapshots = args.snapshots.settings(Some(&self.folder.trial(assignment.trial)));
        }
        settings.validate()?;
        Ok(settings)
    }

    /// Takes down what became of a trial: first its model, if it is to be kept, then the line in the journal that makes
    /// it count, then what people read.
    async fn ended(&mut self, assignment: Assignment, ran: Ran, client: &mut Client) -> Result<(), CliError> {
        let trial = assignment.trial;
        let judged = Judged { assignment, outcome: ran.outcome.clone() };
        let before = self.trials.best().map(|best| best.assignment.trial);
        let keeps = match self.keep {
            Keep::Best => self.trials.would_be_best(&judged),
            Keep::All => true,
        };
        if let Some(trained) = ran.trained.filter(|_| keeps) {
            let bytes = client.model(trained.job).await?;
            let path = self.folder.model(trial);
            let model =
                Model::from_bytes(&bytes).map_err(|fault| ModelError { path: path.clone(), fault })?;
            let card = trained.card(&model, self.keep.held_out());
            self.folder.write(&path, &bytes)?;
            self.folder.write(&self.folder.card(trial), card.as_bytes())?;
        }
        self.journal.append(&Entry::Ended { trial, outcome: ran.outcome.clone() })?;
        self.trials.on_ended(trial, ran.outcome);
        if let Some(before) = before.filter(|before| self.keep == Keep::Best && keeps && *before != trial) {
            // It is only in the way if it can't be removed.
            let _ = std::fs::remove_file(self.folder.model(before));
            let _ = std::fs::remove_file(self.folder.card(before));
        }
        let csv = table::csv(&self.trials);
        self.folder.write("trials.csv".as_ref(), csv.as_bytes())?;
        Ok(())
    }

    /// Adds to an error that what was done is not lost.
    pub(in crate::cli) fn with_hint(&self, error: CliError, driver: Option<&str>) -> CliError {
        if self.trials.is_over() || matches!(error, CliError::Hopeless(_)) {
            return error;
        }
        CliError::CanBeResumed { error: Box::new(error), command: self.again(driver) }
    }

    /// The command that goes on with the study, at the same driver if it was given one.
    pub(in crate::cli) fn again(&self, driver: Option<&str>) -> String {
        let folder = quoted(&self.folder.path().to_string_lossy());
        format!("howdah-driver {} --resume {folder}{}", self.command, driver_flag(driver))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use howdah_executor::learn::Combine;

    use super::*;
    use crate::search::Study;

    /// A study with this name.
    fn study(folder: &Path, name: &str, base: Base) -> Run {
        let study =
            Study::Ensemble { members: 2, epochs: 1, seed: 0, data_seed: 0, combine: Combine::default() };
        let folder = StudyFolder::create(&folder.join(name)).unwrap();
        let journal = Journal::create(folder.path(), &study, &base).unwrap();
        let (trials, name) = (Trials::new(study), name.to_owned());
        Run { folder, base, trials, journal, command: "ensemble", keep: Keep::All, name }
    }

    #[test]
    fn the_driver_finds_what_a_trial_goes_on_from_wherever_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let told = |name: &str, place: Option<&str>, is_remote: bool| {
            let place = place.map(|place| ("snapshots".to_owned(), vec![place.to_owned()]));
            let mut run = study(folder.path(), name, place.into_iter().collect());
            let first = run.trials.next_trial().unwrap();
            let settings = run.settings(first, is_remote).unwrap();
            assert_eq!(settings.resume, None);
            settings.snapshots.map(|snapshots| (snapshots.location, snapshots.goes_on))
        };
        let shared = told("a", Some("/not/on/this/machine"), true);
        assert_eq!(shared, Some(("/not/on/this/machine/a-0".to_owned(), true)));
        assert!(told("b", None, false).is_some_and(|(place, goes_on)| goes_on && place.contains("/b/")));
        assert_eq!(told("c", None, true), None);
    }

    #[test]
    fn the_command_that_goes_on_with_a_study_names_its_driver() {
        let folder = tempfile::tempdir().unwrap();
        let run = study(folder.path(), "my study", Base::new());
        let command = |driver| match run.with_hint(CliError::Interrupted, driver) {
            CliError::CanBeResumed { command, .. } => command,
            other => panic!("{other}"),
        };
        assert!(command(None).starts_with("howdah-driver ensemble --resume '"), "{}", command(None));
        let expected = format!("{} --driver http://driver:7077", command(None));
        assert_eq!(command(Some("http://driver:7077")), expected);
    }
}
