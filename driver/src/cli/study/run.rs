use std::{collections::BTreeSet, path::PathBuf};

use howdah_executor::learn::Combine;
use howdah_proto::settings::{SnapshotSettings, TrainSettings};
use serde::Serialize;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    super::{CliError, train},
    given::{Base, command_line, parse},
    show::Show,
    table,
    trial::{Ran, Trial},
};
use crate::{
    client::Client,
    inference::{ENSEMBLE_FILE, EnsembleFile},
    local::LocalCluster,
    output::StudyFolder,
    scheduler::{Pool, PoolMode, PoolName},
    search::{Assignment, Entry, Flags, Journal, Judged, Outcome, Study, TrialId, Trials},
};

/// Which models of a study are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Keep {
    /// That of the best one.
    Best,
    /// All of them.
    All,
}

/// A study that is carried out on a cluster.
pub(in crate::cli) struct Run {
    pub(in crate::cli) folder: StudyFolder,
    pub(in crate::cli) base: Base,
    pub(in crate::cli) trials: Trials,
    journal: Journal,
    keep: Keep,
    /// What it is called in messages, and how the trials' jobs are named.
    name: String,
}

/// The cluster of a study.
pub(in crate::cli) struct Site {
    pub(in crate::cli) url: String,
    own: Option<LocalCluster>,
}

impl Site {
    /// Takes the cluster down, if it is the study's own.
    pub(in crate::cli) async fn close(self) {
        if let Some(cluster) = self.own {
            cluster.shutdown().await;
        }
    }
}

/// Trials that are under way, and what is heard of them.
struct Jobs {
    client: Client,
    stop: CancellationToken,
    news: mpsc::UnboundedSender<String>,
    running: JoinSet<(Assignment, Result<Ran, CliError>)>,
}

impl Run {
    /// Begins a study in a new folder.
    pub(in crate::cli) fn begin(
        path: PathBuf,
        base: Base,
        study: Study,
        keep: Keep,
    ) -> Result<Self, CliError> {
        study
            .check()
            .map_err(|(flag, reason)| CliError::Flag { flag: flag.to_owned(), reason: reason.to_owned() })?;
        // What is wrong with the flags that all trials have is wrong before anything is started.
        parse(&command_line(&base, &[&study.shared()]))?.settings()?;
        let folder = StudyFolder::create(&path)?;
        let journal = Journal::create(folder.path(), &study, &base)?;
        Ok(Self::new(folder, base, Trials::new(study), journal, keep))
    }

    /// Goes on with a study, on the cluster that the flags of now describe.
    pub(in crate::cli) fn resume(path: &str, now: &Base, keep: Keep) -> Result<Self, CliError> {
        let folder = StudyFolder::reopen(path.as_ref())?;
        let (journal, recorded) = Journal::open(folder.path())?;
        let base = super::given::go_on(&recorded.base, now)?;
        Ok(Self::new(folder, base, recorded.trials, journal, keep))
    }

    fn new(folder: StudyFolder, base: Base, trials: Trials, journal: Journal, keep: Keep) -> Self {
        let name =
            folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { folder, base, trials, journal, keep, name }
    }

    /// Finds the cluster that the study is carried out on: that of the driver at this address, or one of its own.
    pub(in crate::cli) async fn open(
        &self,
        driver: Option<&str>,
        interrupted: &CancellationToken,
    ) -> Result<Site, CliError> {
        if let Some(driver) = driver {
            return Ok(Site { url: driver.to_owned(), own: None });
        }
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let args = parse(&command_line(&self.base, &[]))?;
        let mut options = args.cluster.options(cores, self.folder.path().to_owned());
        // Trials share the slots, instead of the first one having all that it can use.
        options.pools =
            vec![Pool { name: PoolName::default(), mode: PoolMode::Fair, weight: 1, min_share: 0 }];
        let cluster = train::start_cluster(options, interrupted).await?;
        Ok(Site { url: cluster.url(), own: Some(cluster) })
    }

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
        let args = parse(&line)?;
        let mut settings = args.settings()?;
        let here = self.folder.trial(assignment.trial);
        settings.snapshots = match settings.snapshots.take() {
            // One place for all trials would mix their snapshots up.
            Some(SnapshotSettings { location, every_seconds }) => {
                let location =
                    format!("{}/{}-{}", location.trim_end_matches('/'), self.name, assignment.trial);
                Some(SnapshotSettings { location, every_seconds })
            }
            None if is_remote => None,
            None => args.snapshots.settings(Some(&here)),
        };
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
        if let Some(job) = ran.job.filter(|_| keeps) {
            let model = client.model(job).await?;
            self.folder.write(&self.folder.model(trial), &model)?;
        }
        self.journal.append(&Entry::Ended { trial, outcome: ran.outcome.clone() })?;
        self.trials.on_ended(trial, ran.outcome);
        if let Some(before) = before.filter(|before| self.keep == Keep::Best && keeps && *before != trial) {
            // It is only in the way if it can't be removed.
            let _ = std::fs::remove_file(self.folder.model(before));
        }
        let csv = table::csv(&self.trials);
        self.folder.write("trials.csv".as_ref(), csv.as_bytes())?;
        Ok(())
    }

    /// Writes a file of results.
    pub(in crate::cli) fn write_json(&self, name: &str, content: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(content).map_err(std::io::Error::from)?;
        self.folder.write(name.as_ref(), format!("{text}\n").as_bytes())?;
        Ok(())
    }

    /// Makes the study's folder an ensemble of the models of its trials.
    pub(in crate::cli) fn write_ensemble(&self, combine: Combine) -> Result<(), CliError> {
        let mut trials: Vec<TrialId> =
            self.trials.judged().iter().map(|judged| judged.assignment.trial).collect();
        trials.sort_unstable();
        trials.dedup();
        let below = |trial: TrialId| {
            let model = self.folder.model(trial);
            model.strip_prefix(self.folder.path()).unwrap_or(&model).to_string_lossy().into_owned()
        };
        let models = trials.into_iter().map(below).collect();
        self.write_json(ENSEMBLE_FILE, &EnsembleFile::new(combine, models))
    }

    /// Adds to an error that what was done is not lost.
    pub(in crate::cli) fn with_hint(&self, command: &str, error: CliError) -> CliError {
        if self.trials.is_over() || matches!(error, CliError::Hopeless(_)) {
            return error;
        }
        let folder = quoted(&self.folder.path().to_string_lossy());
        CliError::CanBeResumed {
            error: Box::new(error),
            command: format!("howdah-driver {command} --resume {folder}"),
        }
    }

    /// Removes the snapshots of all trials: nothing is left that could go on from them.
    pub(in crate::cli) fn clear_snapshots(&self) {
        for judged in self.trials.judged() {
            // What can't be removed takes space and does no other harm.
            let _ = std::fs::remove_dir_all(self.folder.trial(judged.assignment.trial).join("snapshots"));
        }
    }

    /// A command line of `train` with the settings of a trial.
    pub(in crate::cli) fn flags_of(&self, judged: &Judged, epochs: u32) -> Vec<String> {
        let mut shared = self.trials.study().shared();
        shared.remove("fold");
        shared.insert("epochs".to_owned(), epochs.to_string());
        command_line(&self.base, &[&self.trials.study().drawn(judged.assignment.trial), &shared])
    }

    /// Seconds of all jobs together, those that failed left out.
    pub(in crate::cli) fn job_seconds(&self) -> f64 {
        let seconds = self.trials.judged().iter().map(|judged| match &judged.outcome {
            Outcome::Trained(measured) => measured.seconds,
            Outcome::Failed { .. } => 0.0,
        });
        seconds.sum()
    }
}

/// A word as a shell takes it.
pub(in crate::cli) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_when_a_shell_would_not_take_them_as_they_are() {
        assert_eq!(quoted("--hidden=256,128"), "--hidden=256,128");
        assert_eq!(quoted("--data=/my pictures"), "'--data=/my pictures'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
