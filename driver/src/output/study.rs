use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::folder::{CARD_FILE, OutputError, write_atomically};
use crate::search::TrialId;

/// The folder of a study: its journal and results, and a folder for each trial.
#[derive(Debug, Clone)]
pub struct StudyFolder {
    path: PathBuf,
}

impl StudyFolder {
    /// Makes the folder, which must not exist or be empty.
    ///
    /// # Errors
    /// [`OutputError`], naming the folder.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        fs::create_dir_all(path).map_err(failed(path))?;
        if fs::read_dir(path).map_err(failed(path))?.next().is_some() {
            return Err(OutputError::NotEmpty(path.to_owned()));
        }
        Self::reopen(path)
    }

    /// Opens a folder that is there.
    ///
    /// # Errors
    /// [`OutputError::Write`], naming the folder.
    pub fn reopen(path: &Path) -> Result<Self, OutputError> {
        Ok(Self { path: path.canonicalize().map_err(failed(path))? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a trial.
    pub fn trial(&self, trial: TrialId) -> PathBuf {
        self.path.join("trials").join(format!("{:04}", trial.0))
    }

    /// Where the model of a trial goes.
    pub fn model(&self, trial: TrialId) -> PathBuf {
        self.trial(trial).join("model.safetensors")
    }

    /// Where the card of a trial's model goes.
    pub fn card(&self, trial: TrialId) -> PathBuf {
        self.trial(trial).join(CARD_FILE)
    }

    /// Makes the folder of a trial, if it isn't there.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn make_trial(&self, trial: TrialId) -> Result<PathBuf, OutputError> {
        let path = self.trial(trial);
        fs::create_dir_all(&path).map_err(failed(&path))?;
        Ok(path)
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn write(&self, path: &Path, content: &[u8]) -> Result<PathBuf, OutputError> {
        write_atomically(&self.path.join(path), content)
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_owned();
    move |error| OutputError::Write { path, reason: error.to_string() }
}
