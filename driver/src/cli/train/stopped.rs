use std::path::Path;

use howdah_proto::settings::TrainSettings;

use crate::cli::{
    CliError,
    out::{driver_flag, quoted},
};

/// What a run leaves that can be gone on with.
pub(super) struct Stopped<'a> {
    pub(super) settings: &'a TrainSettings,
    pub(super) output: &'a Path,
    /// Where its driver is, if the cluster is there for others too.
    pub(super) driver: Option<&'a str>,
    /// Whether it has taken a snapshot.
    pub(super) is_saved: bool,
}

impl Stopped<'_> {
    /// Where its newest snapshot is: before it takes one, that is the one that it went on from.
    fn newest(&self) -> Option<&str> {
        let own = self.settings.snapshots.as_ref().filter(|_| self.is_saved);
        own.map(|snapshots| snapshots.location.as_str()).or(self.settings.resume.as_deref())
    }

    /// Says how to go on with a run that was stopped from outside.
    pub(super) fn with_hint(&self, error: CliError) -> CliError {
        let Some(newest) = self.newest().filter(|_| error.is_from_outside()) else { return error };
        let in_folder = std::path::absolute(self.output).is_ok_and(|run| Path::new(newest).starts_with(run));
        let output = self.output.to_string_lossy();
        let run = quoted(if in_folder { &output } else { newest });
        let command = format!("howdah-driver train --resume {run}{}", driver_flag(self.driver));
        CliError::CanBeResumed { error: Box::new(error), command }
    }

    /// What to say of a snapshot that could not be taken, if none came after it.
    pub(super) fn complaint(&self, reason: &str) -> Option<String> {
        if self.is_saved {
            return None;
        }
        Some(match self.newest() {
            None => format!("there is no snapshot that --resume could go on with: {reason}"),
            Some(newest) => format!("there is no snapshot after the one in {newest}: {reason}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::settings::SnapshotSettings;

    use super::*;
    use crate::cli::line::defaults;

    fn settings(place: &str, resume: Option<&str>) -> TrainSettings {
        let snapshots =
            Some(SnapshotSettings { location: place.to_owned(), every_seconds: 10, goes_on: false });
        TrainSettings { snapshots, resume: resume.map(str::to_owned), ..defaults().unwrap() }
    }

    /// The command that goes on with a run that was interrupted; none if there is nothing to go on with.
    fn command(settings: &TrainSettings, driver: Option<&str>, is_saved: bool) -> Option<String> {
        let stopped = Stopped { settings, output: Path::new("/runs/a"), driver, is_saved };
        match stopped.with_hint(CliError::Interrupted) {
            CliError::CanBeResumed { command, .. } => {
                command.strip_prefix("howdah-driver train ").map(str::to_owned)
            }
            _ => None,
        }
    }

    #[test]
    fn the_command_that_goes_on_names_the_newest_snapshot_and_the_driver() {
        let own = settings("/runs/a/snapshots", None);
        assert_eq!(command(&own, None, true).as_deref(), Some("--resume /runs/a"));
        assert_eq!(command(&own, None, false), None);
        let driver = Some("http://driver:7077");
        let shared = settings("/srv/my run", None);
        let expected = "--resume '/srv/my run' --driver http://driver:7077";
        assert_eq!(command(&shared, driver, true).as_deref(), Some(expected));
        // It has taken none yet where it takes them now.
        let moved = settings("/srv/new", Some("/srv/old"));
        assert_eq!(command(&moved, None, false).as_deref(), Some("--resume /srv/old"));
        assert_eq!(command(&moved, None, true).as_deref(), Some("--resume /srv/new"));
        let none = TrainSettings { snapshots: None, ..moved };
        assert_eq!(command(&none, None, false).as_deref(), Some("--resume /srv/old"));
    }

    #[test]
    fn what_failed_by_itself_is_not_gone_on_with() {
        let settings = settings("/srv/a", Some("/srv/a"));
        let stopped = Stopped { settings: &settings, output: Path::new("a"), driver: None, is_saved: true };
        let failed = CliError::Job { error: "it has diverged".to_owned(), hint: None };
        assert!(matches!(stopped.with_hint(failed), CliError::Job { .. }));
    }

    #[test]
    fn a_run_that_took_no_snapshot_says_which_one_there_is() {
        let complaint = |resume: Option<&str>, is_saved: bool| {
            let settings = settings("/srv/a", resume);
            let stopped = Stopped { settings: &settings, output: Path::new("a"), driver: None, is_saved };
            stopped.complaint("full")
        };
        assert_eq!(complaint(Some("/srv/a"), true), None);
        let none = "there is no snapshot that --resume could go on with: full";
        assert_eq!(complaint(None, false).as_deref(), Some(none));
        let earlier = "there is no snapshot after the one in /srv/a: full";
        assert_eq!(complaint(Some("/srv/a"), false).as_deref(), Some(earlier));
    }
}
