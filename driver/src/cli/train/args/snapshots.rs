use std::{fs, path::Path};

use howdah_proto::settings::SnapshotSettings;

use crate::{
    cli::{CliError, said::Said},
    snapshot::{SnapshotError, Store},
};

/// When the shards are saved, and what a run goes on with.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Snapshots")]
pub(in crate::cli) struct SnapshotArgs {
    /// Where snapshots of the weights go, which the driver and all parameter servers reach: a folder, or the URL of an
    /// object store (s3, gs or az). Each run needs a place of its own. By default the folder `snapshots` of the run, if the
    /// cluster is on this machine.
    #[arg(long, value_name = "FOLDER|URL")]
    snapshots: Option<String>,
    /// Seconds between two snapshots; one is also taken after each epoch. However often that is, they take no more than
    /// a fifth of the time.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    snapshot_every: u32,
    /// Take no snapshots: what a lost parameter server had is computed again from the beginning.
    #[arg(long, conflicts_with = "snapshots")]
    pub(in crate::cli) no_snapshots: bool,
    /// Go on with the last snapshot of this run: its folder, the folder of its snapshots, or their URL. The settings
    /// are those of the run; there may be more or fewer --epochs, if it has not got beyond them, and other shards and
    /// servers. The schedule, smoothed labels, class weights, clipping, L2, compression, --patience and --monitor can be
    /// given anew, and are for what comes.
    #[arg(long, value_name = "RUN")]
    pub(in crate::cli) resume: Option<String>,
    /// Whether the driver goes on with snapshots that are there already: a part of a study may have begun before, and only
    /// the driver needs to reach the place.
    #[arg(skip)]
    pub(in crate::cli) goes_on: bool,
}

/// Where a run goes on from.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct GoesOnFrom<'a> {
    /// Its snapshots.
    pub(in crate::cli) snapshots: &'a str,
    /// Whether they are in the folder of the run.
    pub(in crate::cli) is_own: bool,
}

impl SnapshotArgs {
    /// Checks that this build could write where snapshots are wanted; nothing is asked of a store yet.
    ///
    /// # Errors
    /// [`CliError::Flag`].
    pub(in crate::cli) fn check(&self) -> Result<(), CliError> {
        let Some(location) = &self.snapshots else { return Ok(()) };
        let unfit = |error: SnapshotError| CliError::Flag {
            flag: "--snapshots".to_owned(),
            reason: error.to_string(),
        };
        Store::open(&absolute(location)).map(drop).map_err(unfit)
    }

    /// Makes sure that snapshots can be written to the folder that was said, by writing an empty file and deleting it again;
    /// an object store is asked when the first one is taken.
    ///
    /// # Errors
    /// [`CliError::Flag`].
    pub(in crate::cli) fn try_out(&self) -> Result<(), CliError> {
        let Some(folder) = self.snapshots.as_ref().filter(|location| !location.contains("://")) else {
            return Ok(());
        };
        let file = Path::new(folder).join(format!(".howdah-{}", std::process::id()));
        let tried = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, ""))
            .and_then(|()| fs::remove_file(&file));
        tried.map_err(|error| CliError::Flag {
            flag: "--snapshots".to_owned(),
            reason: format!("{folder} can't be written: {error}"),
        })
    }

    /// Where snapshots go, and how often; by default to a folder in `run`, if there is one.
    pub(in crate::cli) fn settings(&self, run: Option<&Path>) -> Option<SnapshotSettings> {
        if self.no_snapshots {
            return None;
        }
        let given = self.snapshots.as_ref().map(|location| absolute(location));
        let location = given.or_else(|| own_place(run))?;
        Some(SnapshotSettings { location, every_seconds: self.snapshot_every, goes_on: self.goes_on })
    }

    /// The same for a run that goes on: it keeps what was set `earlier`, and takes its snapshots where those are that it
    /// goes on from. Only those in its own folder move with it.
    pub(in crate::cli) fn settings_after(
        &self,
        earlier: SnapshotSettings,
        said: &Said,
        from: GoesOnFrom<'_>,
        run: Option<&Path>,
    ) -> Option<SnapshotSettings> {
        if said.has("no_snapshots") {
            return None;
        }
        let given = self.snapshots.as_ref().filter(|_| said.has("snapshots")).map(|place| absolute(place));
        let kept = || match run.filter(|_| from.is_own) {
            None => Some(from.snapshots.to_owned()),
            Some(_) if earlier.location.contains("://") => Some(earlier.location.clone()),
            run => own_place(run),
        };
        let location = given.or_else(kept)?;
        let every_seconds =
            if said.has("snapshot_every") { self.snapshot_every } else { earlier.every_seconds };
        let location = as_named(location, from.snapshots);
        Some(SnapshotSettings { location, every_seconds, goes_on: false })
    }

    /// Gives a part of a study a place of its own below the one that was said: one for all would mix their snapshots up.
    pub(in crate::cli) fn go_below(&mut self, name: &str) {
        if let Some(location) = &mut self.snapshots {
            *location = format!("{}/{name}", location.trim_end_matches('/'));
        }
    }
}

/// A folder by the name that it has already in `known`, where a link leads to the same one: the driver compares names.
fn as_named(location: String, known: &str) -> String {
    let real = |place: &str| fs::canonicalize(place).ok();
    let is_known = real(&location).is_some_and(|folder| real(known) == Some(folder));
    if is_known { known.to_owned() } else { location }
}

/// Where the snapshots of a run go if nothing is said.
fn own_place(run: Option<&Path>) -> Option<String> {
    run.map(|run| run.join("snapshots").to_string_lossy().into_owned())
}

/// Makes a path independent of this command's folder; a URL stays as it is.
pub(in crate::cli) fn absolute(location: &str) -> String {
    if location.contains("://") {
        return location.to_owned();
    }
    std::path::absolute(location)
        .map_or_else(|_| location.to_owned(), |path| path.to_string_lossy().into_owned())
}
