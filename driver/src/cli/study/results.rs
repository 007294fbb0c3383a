use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use howdah_executor::learn::{Model, save_onnx};
use serde::Serialize;

use super::Run;
use crate::{
    cli::{
        CliError,
        line::{command_line, parse},
    },
    inference::{ENSEMBLE_FILE, Ensemble, EnsembleFile},
    output::{CARD_FILE, EnsembleCard, MeasuredOn, Member, OwnCard},
    search::{Judged, Measured, Outcome, TrialId},
};

impl Run {
    /// Writes a file of results.
    pub(in crate::cli) fn write_json(&self, name: &str, content: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(content).map_err(std::io::Error::from)?;
        self.folder.write(name.as_ref(), format!("{text}\n").as_bytes())?;
        Ok(())
    }

    /// What each trial gave, in their order.
    ///
    /// # Errors
    /// [`CliError::Job`] for one that failed.
    pub(in crate::cli) fn measured(&self) -> Result<Vec<(TrialId, Measured)>, CliError> {
        let one = self.trials.judged().iter().map(|judged| match &judged.outcome {
            Outcome::Trained(measured) => Ok((judged.assignment.trial, *measured)),
            Outcome::Failed { error } => Err(CliError::Job { error: error.clone(), hint: None }),
        });
        let mut all = one.collect::<Result<Vec<_>, _>>()?;
        all.sort_unstable_by_key(|(trial, _)| *trial);
        Ok(all)
    }

    /// Makes the study's folder an ensemble of the models of its trials, with a card, and writes their networks as ONNX
    /// if that is wanted.
    pub(in crate::cli) fn write_ensemble(
        &self,
        measured: &[(TrialId, Measured)],
        measured_on: MeasuredOn,
    ) -> Result<(), CliError> {
        let below = |path: PathBuf| {
            path.strip_prefix(self.folder.path()).unwrap_or(&path).to_string_lossy().into_owned()
        };
        let combine = self.trials.study().combine();
        let models = measured.iter().map(|(trial, _)| below(self.folder.model(*trial))).collect();
        self.write_json(ENSEMBLE_FILE, &EnsembleFile::new(combine, models))?;
        if let Some((first, _)) = measured.first() {
            let member = |(trial, Measured { accuracy, loss, .. }): &(TrialId, Measured)| {
                let card = if self.folder.card(*trial).exists() { OwnCard::There } else { OwnCard::Missing };
                Member { folder: below(self.folder.trial(*trial)), accuracy: *accuracy, loss: *loss, card }
            };
            let members: Vec<Member> = measured.iter().map(member).collect();
            let (name, members) = (self.name.as_str(), members.as_slice());
            let model = &Model::load(&self.folder.model(*first))?;
            let data = &parse(&command_line(&self.base, &[]))?.settings()?.data;
            let card = EnsembleCard { name, model, combine, members, measured_on, data };
            self.folder.write(CARD_FILE.as_ref(), card.markdown().as_bytes())?;
        }
        self.write_onnx(self.folder.path())
    }

    /// Makes the model of a trial that of the study, with its card, and writes its network as ONNX if that is wanted.
    pub(in crate::cli) fn write_model(&self, trial: TrialId) -> Result<PathBuf, CliError> {
        let model = self.folder.path().join("model.safetensors");
        self.folder.write(&model, &std::fs::read(self.folder.model(trial))?)?;
        match std::fs::read(self.folder.card(trial)) {
            Ok(card) => drop(self.folder.write(CARD_FILE.as_ref(), &card)?),
            // Whoever trained it didn't write cards.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        self.write_onnx(&model)?;
        Ok(model)
    }

    /// Writes what is at a path, a model or an ensemble, as ONNX if that is wanted.
    fn write_onnx(&self, path: &Path) -> Result<(), CliError> {
        if self.base.contains_key("onnx") {
            let ensemble = Ensemble::load(&[path.to_owned()], None)?;
            let onnx = self.folder.path().join("model.onnx");
            save_onnx(&ensemble.models, ensemble.files.combine, &onnx)?;
        }
        Ok(())
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
