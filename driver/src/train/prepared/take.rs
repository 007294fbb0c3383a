use std::sync::Arc;

use howdah_proto::{
    event::Event,
    settings::{DataSettings, Monitor, Updates, Validation},
};

use crate::{
    prepared::{Manifest, PreparedSet, same_pipeline},
    scheduler::Millis,
    train::{ClusterView, JobCommand, TrainJob, cut::Layout, job::Phase},
};

impl TrainJob {
    /// The pictures were prepared before: what is decided already is taken from there.
    pub fn on_prepared_set(
        &mut self,
        set: Result<PreparedSet, String>,
        cluster: &ClusterView,
        now: Millis,
    ) -> Vec<JobCommand> {
        if self.phase != Phase::Listing {
            return Vec::new();
        }
        let PreparedSet { manifest, files } = match set {
            Ok(set) => set,
            Err(error) => return self.fail(error, None),
        };
        if let Some((error, hint)) = self.contradiction(&manifest) {
            return self.fail(error, Some(hint.to_owned()));
        }
        let fitted = manifest.fitted.as_ref();
        if self.fits.done && fitted.is_some_and(|fitted| !same_pipeline(fitted, &self.pipeline)) {
            let error = "can't resume: the pictures were prepared by a pipeline that was fitted to others";
            return self.fail(error.to_owned(), None);
        }
        match fitted {
            Some(fitted) => self.take_fitted(fitted),
            None if !self.fits.waiting.is_empty() => {
                let error = "the manifest of the prepared set lacks the parameters of its pipeline";
                return self.fail(error.to_owned(), Some("prepare the pictures again".to_owned()));
            }
            None => {}
        }
        self.take_validation(&manifest);
        let is_validated = manifest.validation.pictures() > 0;
        let mut commands = vec![JobCommand::Emit(Event::DatasetListed {
            classes: manifest.classes.clone(),
            train: manifest.train.listed.clone(),
            validation: if is_validated { manifest.validation.listed.clone() } else { Vec::new() },
            test: manifest.test.listed.clone(),
            synthetic: matches!(manifest.data, DataSettings::Synthetic { .. }),
        })];
        match self.settings.learning.class_weights.of_counts(&manifest.train.listed) {
            Ok(weights) => self.class_weights = weights,
            Err(error) => {
                commands.extend(self.fail(error.to_string(), Some("see --class-weights".to_owned())));
                return commands;
            }
        }
        // They were accepted when the others were prepared.
        for left in &manifest.left_out {
            self.tally.skipped += 1;
            let (path, reason) = (left.path.clone(), left.reason.clone());
            commands.push(JobCommand::Emit(Event::PictureSkipped { path, reason }));
        }
        self.pictures.fingerprint = manifest.fingerprint.clone();
        commands.extend(self.check_pictures());
        let [train, validation, test] = [&manifest.train, &manifest.validation, &manifest.test]
            .map(|role| usize::try_from(role.pictures()).unwrap_or(usize::MAX));
        self.pictures.layout = Layout::Split { train, validation, test };
        self.pictures.classes = manifest.classes.clone();
        self.pictures.files = Arc::new(files);
        self.prepared = Some(Box::new(manifest));
        commands.extend(self.listed(cluster, now));
        commands
    }

    /// What was set for the job and can't be, because the set was prepared otherwise; with a hint.
    fn contradiction(&self, manifest: &Manifest) -> Option<(String, &'static str)> {
        let settings = &self.settings;
        let again = "leave the flag away, or prepare the pictures again with it";
        if settings.prepare.is_some() {
            let error = "the pictures are prepared already".to_owned();
            return Some((error, "--data takes pictures to prepare; `train --data` takes what was prepared"));
        }
        if let Some(fold) = settings.selection.fold {
            let error = format!("fold {fold} can't be cut from pictures that were prepared and split before");
            return Some((
                error,
                "--data must name the pictures themselves; folds share what is prepared of them",
            ));
        }
        if !same_pipeline(&settings.pipeline, &manifest.pipeline) {
            let error = format!(
                "the pictures were prepared with the pipeline `{}`, which is not the one that is asked for",
                manifest.pipeline_name
            );
            return Some((error, "name the pipeline that they were prepared with in --pipeline, or none"));
        }
        let then = manifest.validation_fraction;
        let wanted = settings.validation.map(|validation| validation.fraction);
        match (then, wanted) {
            (Some(then), Some(wanted)) if then != wanted => {
                let error = format!(
                    "the pictures were prepared with a validation fraction of {then}, not of {wanted}, and operators \
                     may have been fitted to what would be for validation now"
                );
                return Some((error, again));
            }
            (None, Some(wanted)) => {
                let error = format!(
                    "the pictures were prepared without any for validation, so that none can be split off now, as \
                     --validation-fraction {wanted} asks"
                );
                return Some((error, again));
            }
            _ => {}
        }
        if let DataSettings::Folder { test, test_fraction, classes, .. } = &settings.data {
            let then = match manifest.data {
                DataSettings::Folder { test: None, test_fraction, .. } => Some(test_fraction),
                _ => None,
            };
            let flag = if test.is_some() {
                Some("--test")
            } else if !classes.is_empty() {
                Some("--classes")
            } else if *test_fraction != DataSettings::TEST_FRACTION && Some(*test_fraction) != then {
                Some("--test-fraction")
            } else {
                None
            };
            let flag = flag?;
            return Some((format!("{flag}: this was decided when the pictures were prepared"), again));
        }
        None
    }

    /// Lets the validation pictures of the set choose the epoch, also if nothing was said of them.
    fn take_validation(&mut self, manifest: &Manifest) {
        let Some(fraction) = manifest.validation_fraction else { return };
        if self.settings.validation.is_none() && self.settings.updates != Updates::Ones {
            let validation = Validation { fraction, monitor: Monitor::default(), patience: None };
            let mut settings = (*self.settings).clone();
            settings.validation = Some(validation);
            self.settings = Arc::new(settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{
        JobId, Partition,
        event::StageKind,
        pb,
        settings::{DataFormat, PrepareTo, TrainSettings},
    };

    use super::*;
    use crate::{
        dataset::PictureFile,
        prepared::example,
        train::{
            Ending,
            fixture::{cluster, computed, settings, stages},
        },
    };

    fn set() -> PreparedSet {
        let manifest = example();
        let file = |shard: &crate::prepared::ShardEntry| PictureFile {
            path: format!("/set/{}", shard.file).into(),
            relative: shard.file.clone(),
            label: 0,
            bytes: shard.bytes,
            modified_unix_ns: 0,
            part: None,
        };
        PreparedSet { files: manifest.shards.iter().map(file).collect(), manifest }
    }

    /// Batches of 3 pictures, so that the six training pictures are two partitions.
    fn on_set(change: impl FnOnce(&mut TrainSettings)) -> (TrainJob, Vec<JobCommand>) {
        let mut settings = TrainSettings { batch: 3, ..settings(1) };
        settings.data = DataSettings::Folder {
            train: "/set".into(),
            test: None,
            test_fraction: DataSettings::TEST_FRACTION,
            classes: std::collections::BTreeMap::new(),
            format: DataFormat::Auto,
        };
        change(&mut settings);
        let (mut job, _) = TrainJob::new(JobId(1), settings, Millis(0));
        let commands = job.on_prepared_set(Ok(set()), &cluster(), Millis(1));
        (job, commands)
    }

    fn refusal(change: impl FnOnce(&mut TrainSettings)) -> String {
        let (_, commands) = on_set(change);
        match commands.last() {
            Some(JobCommand::End(ending)) => match &**ending {
                Ending::Failed { error, hint } => format!("{error}; {}", hint.clone().unwrap_or_default()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_blocks_of_partitions_are_made_of_the_shards_that_have_their_pictures() {
        let (job, commands) = on_set(|_| {});
        assert_eq!(stages(&commands)[0].1.len(), 4);
        let block = |partition| {
            let (files, _) = job.task(StageKind::Prepare, Partition(partition));
            let block = job.prepared_block(Partition(partition)).unwrap();
            assert_eq!((files.len(), block.set.len()), (block.shards.len(), 16));
            let files: Vec<u32> = files.iter().map(|file| file.index).collect();
            (files, block.first_key..block.end_key, job.work(StageKind::Prepare, Partition(partition)))
        };
        assert_eq!(block(0), (vec![0], 0..3, 3));
        // The first picture of the second partition was left out.
        assert_eq!(block(1), (vec![1], 3..6, 2));
        assert_eq!(block(2), (vec![2], 6..7, 1));
        assert_eq!(block(3), (vec![2], 7..8, 1));
        assert_eq!(job.check(StageKind::Prepare, Partition(1), Some(&computed(2, 0))), Ok(()));
        assert!(job.check(StageKind::Prepare, Partition(1), Some(&computed(3, 0))).is_err());
        let skipped = |event: &JobCommand| matches!(event, JobCommand::Emit(Event::PictureSkipped { .. }));
        assert_eq!(commands.iter().filter(|command| skipped(command)).count(), 1);
        let wire = pb::PreparedBlock { shards: Vec::new(), ..job.prepared_block(Partition(0)).unwrap() };
        assert_eq!(wire.classes, 2);
    }

    #[test]
    fn what_was_decided_when_the_pictures_were_prepared_can_not_be_set_otherwise() {
        let flag = |change: fn(&mut DataSettings)| refusal(|settings| change(&mut settings.data));
        let test = flag(|data| {
            if let DataSettings::Folder { test, .. } = data {
                *test = Some("/test".into());
            }
        });
        assert!(
            test.starts_with("--test: this was decided") && test.contains("leave the flag away"),
            "{test}"
        );
        let fraction = flag(|data| {
            if let DataSettings::Folder { test_fraction, .. } = data {
                *test_fraction = 0.3;
            }
        });
        assert!(fraction.starts_with("--test-fraction"), "{fraction}");
        let pipeline = refusal(|settings| settings.pipeline.views = 2);
        assert!(pipeline.contains("pipeline `seed`") && pipeline.contains("--pipeline"), "{pipeline}");
        let validation = Validation { fraction: 0.5, monitor: Monitor::Loss, patience: None };
        let split = refusal(|settings| settings.validation = Some(validation));
        assert!(split.contains("without any for validation") && split.contains("0.5"), "{split}");
        let to = PrepareTo { location: "/other".to_owned(), pipeline_name: String::new() };
        assert!(refusal(|settings| settings.prepare = Some(to)).contains("prepared already"));
        let (_, same) = on_set(|settings| {
            if let DataSettings::Folder { test_fraction, .. } = &mut settings.data {
                *test_fraction = 0.25;
            }
        });
        assert!(!stages(&same).is_empty());
    }
}
