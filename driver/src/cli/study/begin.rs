use std::path::PathBuf;

use super::{Given, Keep, Run, given::go_on, settled::check_going_on};
use crate::{
    cli::{
        CliError,
        line::{Base, command_line, parse},
        said::Said,
        train,
    },
    output::StudyFolder,
    search::{Journal, Study, Trials},
};

impl Given {
    /// Begins a study, or goes on with the one that `--resume` names. The folder of a new one is called as the flags say,
    /// else after the command and the time. `A` has all flags of the command.
    ///
    /// # Errors
    /// [`CliError`] if the study makes no sense, its folder can't be used, or a flag was given that can't be changed any
    /// more.
    pub(in crate::cli) fn begin<A: clap::Args>(
        &self,
        said: &Said,
        command: &'static str,
        keep: Keep,
        study: impl FnOnce() -> Result<Study, CliError>,
    ) -> Result<Run, CliError> {
        if let Some(folder) = &self.args.snapshots.resume {
            check_going_on::<A>(said)?;
            return Run::resume(folder, &self.base, command, keep);
        }
        let study = study()?;
        let name = self.args.name.clone().unwrap_or_else(|| default_name(command));
        let folder = self.args.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
        Run::begin(folder, self.base.clone(), study, command, keep)
    }

    /// Carries a study out to its end, up to `concurrent` trials at once, and takes down the cluster if it is its own.
    ///
    /// # Errors
    /// [`CliError`]; what was done until then is not lost.
    pub(in crate::cli) async fn carry_out(&self, run: &mut Run, concurrent: u32) -> Result<(), CliError> {
        let interrupted = train::interruption();
        let site = run.open(self.args.driver.as_deref(), &interrupted).await?;
        let led = run.lead(&site, concurrent as usize, &interrupted).await;
        site.close().await;
        led
    }
}

/// Names a study by the date and time.
fn default_name(command: &str) -> String {
    jiff::Zoned::now().strftime(&format!("{command}-%Y%m%d-%H%M%S")).to_string()
}

impl Run {
    /// Begins a study in a new folder.
    fn begin(
        path: PathBuf,
        base: Base,
        study: Study,
        command: &'static str,
        keep: Keep,
    ) -> Result<Self, CliError> {
        study
            .check()
            .map_err(|(flag, reason)| CliError::Flag { flag: flag.to_owned(), reason: reason.to_owned() })?;
        // What is wrong with the flags that all trials have is wrong before anything is started.
        parse(&command_line(&base, &[&study.shared()]))?.settings()?;
        let folder = StudyFolder::create(&path)?;
        let journal = Journal::create(folder.path(), &study, &base)?;
        Ok(Self::new(folder, base, Trials::new(study), journal, command, keep))
    }

    /// Goes on with a study, on the cluster that the flags of now describe.
    fn resume(path: &str, now: &Base, command: &'static str, keep: Keep) -> Result<Self, CliError> {
        let folder = StudyFolder::reopen(path.as_ref())?;
        let (journal, recorded) = Journal::open(folder.path())?;
        let base = go_on(&recorded.base, now)?;
        Ok(Self::new(folder, base, recorded.trials, journal, command, keep))
    }

    fn new(
        folder: StudyFolder,
        base: Base,
        trials: Trials,
        journal: Journal,
        command: &'static str,
        keep: Keep,
    ) -> Self {
        let name =
            folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { folder, base, trials, journal, command, keep, name }
    }
}
