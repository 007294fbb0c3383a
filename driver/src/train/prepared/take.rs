use std::sync::Arc;

use howdah_proto::{
    event::Event,
    settings::{DataSettings, Monitor, Updates, Validation},
};

use crate::{
    prepared::{Manifest, PreparedSet},
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
        if self.fits.done && fitted.is_some_and(|fitted| *fitted != self.pipeline) {
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
        if settings.pipeline != manifest.pipeline {
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
