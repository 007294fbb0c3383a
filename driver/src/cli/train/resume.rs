//! `train --resume`: the settings of the run, and what may be changed about them.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use howdah_proto::settings::TrainSettings;

use super::{Args, args::absolute};
use crate::{cli::CliError, snapshot::Store};

/// The flags as they are without any being given.
#[derive(Parser)]
struct NoFlags {
    #[command(flatten)]
    args: Args,
}

/// A run that is gone on with.
pub(super) struct Resumed {
    /// What the driver is told.
    pub(super) settings: TrainSettings,
    /// The folder of the run, if it is on this machine.
    pub(super) folder: Option<PathBuf>,
}

/// Reads what the run was told, and puts the flags that were given on top.
pub(super) async fn resume(args: &Args, run: &str) -> Result<Resumed, CliError> {
    let (location, folder) = locate(run);
    let refused = |reason: String| CliError::Flag { flag: "--resume".to_owned(), reason };
    if let Some(reason) = no_run(Path::new(&location), folder.as_deref()) {
        return Err(refused(reason));
    }
    let read = async { Store::open(&location)?.newest().await };
    let (manifest, _) = read.await.map_err(|error| refused(error.to_string()))?;
    let mut settings = merged(&manifest.settings, &args.settings()?, &defaults()?);
    manifest.fits(&settings).map_err(|error| refused(error.to_string()))?;
    settings.resume = Some(location);
    Ok(Resumed { settings, folder })
}

/// Why a place on this machine can't be a run, if that shows without looking at snapshots.
fn no_run(location: &Path, folder: Option<&Path>) -> Option<String> {
    let place = folder.unwrap_or(location);
    let shown = place.display();
    if place.join("journal.jsonl").exists() {
        return Some(format!("{shown} is a study: go on with `search`, `cross-validate` or `ensemble`"));
    }
    // A URL is no path from the root.
    (location.is_absolute() && !place.exists()).then(|| format!("there is nothing at {shown}"))
}

/// What a job is told without any flag.
pub(in crate::cli) fn defaults() -> Result<TrainSettings, CliError> {
    let none = NoFlags::try_parse_from(["train"]);
    let reason = |error: clap::Error| CliError::Flag { flag: "train".to_owned(), reason: error.to_string() };
    none.map_err(reason)?.args.settings()
}

/// The flag that sets a field of the settings, if there is one.
pub(in crate::cli) fn flag_of(field: &str) -> Option<String> {
    let long = match field {
        "learning_rate" => "lr".to_owned(),
        "synthetic pictures" => "synthetic".to_owned(),
        "top-k" | "compression" | "pull encoding" => "compress".to_owned(),
        "delayed nesterov every" => "momentum-every".to_owned(),
        other => other.replace(['_', ' '], "-"),
    };
    let is_there = NoFlags::command().get_arguments().any(|known| known.get_long() == Some(&long));
    is_there.then(|| format!("--{long}"))
}

/// The snapshots of a run, and its folder: `run` is the folder, that of the snapshots, or their URL.
fn locate(run: &str) -> (String, Option<PathBuf>) {
    let run = absolute(run);
    let path = Path::new(&run);
    if run.contains("://") {
        return (run, None);
    }
    let snapshots = path.join("snapshots");
    if snapshots.is_dir() {
        return (snapshots.to_string_lossy().into_owned(), Some(path.to_owned()));
    }
    let is_snapshots = path.file_name().is_some_and(|name| name == "snapshots");
    let folder = path.parent().filter(|_| is_snapshots).map(Path::to_owned);
    (run, folder)
}

/// The settings of the run, with those of the flags that were given: those that are not as without flags.
fn merged(run: &TrainSettings, given: &TrainSettings, none: &TrainSettings) -> TrainSettings {
    fn pick<T: PartialEq + Clone>(run: &T, given: &T, none: &T) -> T {
        if given == none { run.clone() } else { given.clone() }
    }
    macro_rules! merge {
        ($($field:ident),*) => {
            TrainSettings { $($field: pick(&run.$field, &given.$field, &none.$field)),* }
        };
    }
    merge!(
        data,
        selection,
        pipeline,
        network,
        epochs,
        batch,
        learning,
        updates,
        rule,
        correction,
        mode,
        compression,
        seed,
        validation,
        partitions,
        shards,
        shard_copies,
        snapshots,
        resume,
        prepare,
        max_bad_pictures,
        task_attempts,
        executor_wait_seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::fixture::settings;

    #[test]
    fn flags_that_were_given_are_put_on_top_of_the_run_s_settings() {
        let none = settings(5);
        let run = TrainSettings { batch: 7, seed: 3, ..settings(2) };
        let given = TrainSettings { epochs: 9, ..none.clone() };
        assert_eq!(merged(&run, &given, &none), TrainSettings { epochs: 9, ..run.clone() });
        assert_eq!(merged(&run, &none, &none), run);
    }

    #[test]
    fn what_is_no_run_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("x");
        assert!(no_run(&missing, None).is_some_and(|reason| reason.contains("nothing at")));
        assert_eq!(no_run(folder.path(), None), None);
        assert_eq!(no_run(Path::new("s3://bucket/run"), None), None);
        std::fs::write(folder.path().join("journal.jsonl"), "").unwrap();
        assert!(no_run(folder.path(), None).is_some_and(|reason| reason.contains("is a study")));
    }

    #[test]
    fn a_field_is_named_as_the_flag_that_sets_it() {
        for (field, flag) in [
            ("learning_rate", Some("--lr")),
            ("weight_decay", Some("--weight-decay")),
            ("local_steps", Some("--local-steps")),
            ("synthetic pictures", Some("--synthetic")),
            ("delayed nesterov every", Some("--momentum-every")),
            ("train.settings", None),
        ] {
            assert_eq!(flag_of(field).as_deref(), flag, "{field}");
        }
    }

    #[test]
    fn a_run_is_found_by_its_folder_by_that_of_its_snapshots_and_by_a_url() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir_all(run.join("snapshots")).unwrap();
        let snapshots = run.join("snapshots").to_string_lossy().into_owned();
        assert_eq!(locate(&run.to_string_lossy()), (snapshots.clone(), Some(run.clone())));
        assert_eq!(locate(&snapshots), (snapshots, Some(run)));
        assert_eq!(locate("s3://bucket/run"), ("s3://bucket/run".to_owned(), None));
    }
}
