//! `train --resume`: the settings of the run, and what may be changed about them.

use std::path::{Path, PathBuf};

use howdah_proto::settings::TrainSettings;

use super::{
    Args,
    args::absolute,
    effect,
    merge::{merged, of_other_pictures, settled},
};
use crate::{
    cli::CliError,
    snapshot::{Manifest, Store},
};

/// What only the folder of a study has.
const JOURNAL: &str = "journal.jsonl";

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
    if let Some(reason) = no_run(Path::new(&location), folder.as_deref()) {
        return Err(refused(reason));
    }
    let read = async { Store::open(&location)?.newest().await };
    let manifest = read.await.map_err(|error| refused(error.to_string()))?.manifest;
    let has_pipeline = args.data.prepared()?.is_some();
    let mut settings = go_on(&manifest, args, has_pipeline)?;
    settings.resume = Some(location);
    Ok(Resumed { settings, folder })
}

/// The settings of the run, with the flags that were given on top; pictures that were prepared have their pipeline with
/// them.
fn go_on(manifest: &Manifest, args: &Args, has_pipeline: bool) -> Result<TrainSettings, CliError> {
    let run = &manifest.settings;
    let given = args.settings_after(run.validation)?;
    if let Some(flag) = of_other_pictures(run, &given, &args.said) {
        return Err(CliError::Settled { flag });
    }
    let settings = merged(run, &given, args, has_pipeline);
    manifest.fits(&settings).map_err(|error| match settled(&error, &args.said) {
        Some(flag) => CliError::Settled { flag },
        None => refused(error.to_string()),
    })?;
    effect::check_going_on(args, |other| {
        Some(merged(run, &other.settings_after(run.validation).ok()?, other, has_pipeline))
    })?;
    Ok(settings)
}

fn refused(reason: String) -> CliError {
    CliError::Flag { flag: "--resume".to_owned(), reason }
}

/// Why a place on this machine can't be a run, if that shows without looking at snapshots.
fn no_run(location: &Path, folder: Option<&Path>) -> Option<String> {
    let place = folder.unwrap_or(location);
    let shown = place.display();
    if place.join(JOURNAL).exists() {
        return Some(format!("{shown} is a study: go on with `search`, `cross-validate` or `ensemble`"));
    }
    // A URL is no path from the root.
    (location.is_absolute() && !place.exists()).then(|| format!("there is nothing at {shown}"))
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
        let folder = is_of_run(path).then(|| path.to_owned());
        return (snapshots.to_string_lossy().into_owned(), folder);
    }
    let is_snapshots = path.file_name().is_some_and(|name| name == "snapshots");
    let folder = path.parent().filter(|folder| is_snapshots && is_of_run(folder)).map(Path::to_owned);
    (run, folder)
}

/// Whether a folder is that of a run, or of a study: a place of snapshots may be called as theirs are.
fn is_of_run(folder: &Path) -> bool {
    folder.join("events.jsonl").exists() || folder.join(JOURNAL).exists()
}

#[cfg(test)]
mod tests {
    use howdah_proto::{
        Epoch,
        settings::{Compression, DataSettings, Encoding, Learning, Monitor, RateShape, Schedule},
    };

    use super::*;
    use crate::{cli::line::parse, snapshot::example};

    /// What a run that was begun with `begun` has when it goes on with `now`, or the flag that makes it another one.
    fn gone_on(begun: &[&str], now: &[&str]) -> Result<TrainSettings, String> {
        let args = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            parse(&words).unwrap_or_else(|error| panic!("{error}"))
        };
        // As they are read from a snapshot.
        let written = serde_json::to_vec(&args(begun).settings().unwrap()).unwrap();
        let settings = serde_json::from_slice(&written).unwrap();
        let manifest = Manifest { settings, epoch: Epoch(1), ..example() };
        go_on(&manifest, &args(now), false).map_err(|error| match error {
            CliError::Settled { flag } => flag,
            other => other.to_string(),
        })
    }

    #[test]
    fn flags_that_were_given_are_put_on_top_of_the_run_s_settings() {
        let begun = ["--epochs=3", "--label-smoothing=0.2", "--clip-norm=1", "--hidden=9", "--replicas=2"];
        let run = gone_on(&begun, &[]).unwrap();
        assert_eq!((run.epochs, run.shard_copies, &run.network.hidden), (3, 2, &vec![9]));
        // What is as it is by default counts too, where it was said.
        let now = gone_on(&begun, &["--epochs=12", "--clip-norm=2", "--replicas=1", "--hidden=9"]).unwrap();
        let learning = Learning { clip_norm: Some(2.0), ..run.learning.clone() };
        assert_eq!(now, TrainSettings { epochs: 12, learning, shard_copies: 1, ..run });
    }

    #[test]
    fn what_goes_together_is_kept_where_only_a_part_of_it_is_said() {
        let begun = ["--schedule=step", "--rate-step=0.3", "--warm-up=0.1", "--compress=bf16"];
        let learning = gone_on(&begun, &["--rate-step-epochs=4"]).unwrap().learning;
        let shape = RateShape::Step { every_epochs: 4, share: 0.3 };
        assert_eq!(learning.schedule, Schedule { shape, warm_up: 0.1 });
        let cosine = gone_on(&["--schedule=cosine"], &["--warm-up=0.2"]).unwrap().learning.schedule;
        assert_eq!(cosine, Schedule { shape: RateShape::Cosine, warm_up: 0.2 });

        let pulls = |now: &[&str]| gone_on(&begun, now).unwrap().compression;
        let both = |encoding| Compression { push: encoding, pull: encoding, delta_pulls: false };
        assert_eq!(pulls(&["--compress-pulls"]), both(Encoding::Bf16));
        let all = gone_on(&["--compress=bf16", "--compress-pulls"], &["--compress=int8"]).unwrap();
        assert_eq!(all.compression, both(Encoding::Int8));

        let moved = ["--data=/new"];
        let begun =
            ["--data=/old", "--classes", "cat=a", "dog=b", "--format=folder", "--mode=ssp", "--push-every=2"];
        let now = gone_on(&begun, &moved).unwrap();
        let DataSettings::Folder { train, classes, .. } = now.data else { panic!("{now:?}") };
        assert_eq!((train, classes.len()), (PathBuf::from("/new"), 2));
        assert_eq!(gone_on(&begun, &["--mode=ssp"]).unwrap().mode, now.mode);
    }

    #[test]
    fn what_was_not_said_of_the_validation_is_as_it_was() {
        let begun = ["--validation-fraction=0.2", "--monitor=accuracy"];
        let now = gone_on(&begun, &["--patience=3"]).unwrap().validation.unwrap();
        assert_eq!((now.fraction, now.monitor, now.patience), (0.2, Monitor::Accuracy, Some(3)));
    }

    #[test]
    fn a_flag_that_would_make_a_run_another_one_is_refused_by_name() {
        for (words, flag) in [
            (&["--lr=0.5"][..], "--lr"),
            (&["--hidden=7"], "--hidden"),
            (&["--mode=ssp"], "--mode"),
            (&["--batch=7"], "--batch"),
            (&["--seed=7"], "--seed"),
            (&["--size=32"], "--size"),
            (&["--correction=inverse"], "--correction"),
            (&["--average=0.99"], "--average"),
            (&["--validation-fraction=0.5"], "--validation-fraction"),
            (&["--data-seed=5"], "--data-seed"),
            (&["--synthetic=70"], "--synthetic"),
            (&["--test-fraction=0.5"], "--test-fraction"),
        ] {
            assert_eq!(gone_on(&["--batch=8"], words).map(drop), Err(flag.to_owned()));
        }
    }

    #[test]
    fn a_flag_that_changes_nothing_about_a_run_is_refused_by_name() {
        for (begun, words, flag) in [
            (&["--schedule=cosine"][..], &["--rate-step=0.5"][..], "--rate-step"),
            (&[], &["--staleness=2"], "--staleness"),
        ] {
            let refused = gone_on(begun, words).unwrap_err();
            assert!(refused.starts_with(&format!("{flag}: ")), "{refused}");
        }
    }

    #[test]
    fn the_flags_of_a_run_may_be_given_once_more() {
        let begun = [
            "--mode=ssp",
            "--staleness=2",
            "--push-every=4",
            "--compress=bf16",
            "--compress-pulls",
            "--schedule=step",
            "--rate-step=0.3",
            "--optimizer=adamw",
            "--lr=0.001",
            "--weight-decay=0.1",
            "--hidden=9,7",
            "--epochs=5",
            "--validation-fraction=0.2",
            "--patience=3",
        ];
        assert_eq!(gone_on(&begun, &begun), gone_on(&begun, &[]));
        // Neighbours of these come out of the manifest.
        for sigma in ["--denoise=0.96", "--denoise=0.12", "--denoise=0.23"] {
            let begun = ["--pipeline=seed", sigma];
            assert_eq!(gone_on(&begun, &begun).map(drop), Ok(()), "{sigma}");
        }
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
    fn a_run_is_found_by_its_folder_by_that_of_its_snapshots_and_by_a_url() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir_all(run.join("snapshots")).unwrap();
        let snapshots = run.join("snapshots").to_string_lossy().into_owned();
        // A place that was said may have the same name.
        assert_eq!(locate(&run.to_string_lossy()), (snapshots.clone(), None));
        assert_eq!(locate(&snapshots), (snapshots.clone(), None));
        std::fs::write(run.join("events.jsonl"), "").unwrap();
        assert_eq!(locate(&run.to_string_lossy()), (snapshots.clone(), Some(run.clone())));
        assert_eq!(locate(&snapshots), (snapshots, Some(run)));
        assert_eq!(locate("s3://bucket/run"), ("s3://bucket/run".to_owned(), None));
    }
}
