use std::path::Path;

use howdah_executor::learn::save_onnx;
use serde::Serialize;

use super::{super::CliError, Run, given::command_line};
use crate::{
    inference::{ENSEMBLE_FILE, Ensemble, EnsembleFile},
    search::{Judged, Outcome, TrialId},
};

impl Run {
    /// Writes a file of results.
    pub(in crate::cli) fn write_json(&self, name: &str, content: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(content).map_err(std::io::Error::from)?;
        self.folder.write(name.as_ref(), format!("{text}\n").as_bytes())?;
        Ok(())
    }

    /// Makes the study's folder an ensemble of the models of its trials, and writes their networks as ONNX if that is
    /// wanted.
    pub(in crate::cli) fn write_ensemble(&self) -> Result<(), CliError> {
        let mut trials: Vec<TrialId> =
            self.trials.judged().iter().map(|judged| judged.assignment.trial).collect();
        trials.sort_unstable();
        trials.dedup();
        let below = |trial: TrialId| {
            let model = self.folder.model(trial);
            model.strip_prefix(self.folder.path()).unwrap_or(&model).to_string_lossy().into_owned()
        };
        let models = trials.into_iter().map(below).collect();
        self.write_json(ENSEMBLE_FILE, &EnsembleFile::new(self.trials.study().combine(), models))?;
        self.write_onnx(self.folder.path())
    }

    /// Writes the network of a model, or of an ensemble in a folder, as ONNX into the study's folder, if that is wanted.
    pub(in crate::cli) fn write_onnx(&self, model: &Path) -> Result<(), CliError> {
        if self.base.contains_key("onnx") {
            let ensemble = Ensemble::load(&[model.to_owned()], None)?;
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
