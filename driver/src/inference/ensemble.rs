use std::path::{Component, Path, PathBuf};

use howdah_executor::{
    inference::{ModelFiles, Octets},
    learn::{Combine, Model, ModelError, ModelFault},
};
use serde::{Deserialize, Serialize};

/// The version of the format of `ensemble.json`.
const VERSION: u32 = 1;

/// The name of the file that makes a folder an ensemble.
pub const ENSEMBLE_FILE: &str = "ensemble.json";

/// Models that can't answer together.
#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    /// The file of one can't be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The description of an ensemble can't be used.
    #[error("{}: {reason}", file.display())]
    Description {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// They have other classes.
    #[error("{} has the classes {classes}, and the models before it have {others}", file.display())]
    Classes {
        /// The file.
        file: PathBuf,
        /// Its classes.
        classes: String,
        /// Those of the others.
        others: String,
    },
}

/// The content of `ensemble.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnsembleFile {
    version: u32,
    combine: Combine,
    models: Vec<String>,
}

/// Models that answer together.
#[derive(Debug)]
pub struct Ensemble {
    /// The models, at least one, with the same classes.
    pub models: Vec<Model>,
    /// Their files, and how their answers become one.
    pub files: ModelFiles,
}

impl EnsembleFile {
    /// Describes an ensemble of the models in these files, below the folder of the description.
    pub fn new(combine: Combine, models: Vec<String>) -> Self {
        Self { version: VERSION, combine, models }
    }

    /// Reads the description in a folder.
    ///
    /// # Errors
    /// [`EnsembleError::Description`], naming the file.
    fn read(folder: &Path) -> Result<Self, EnsembleError> {
        let file = folder.join(ENSEMBLE_FILE);
        let unfit = |reason: String| EnsembleError::Description { file: file.clone(), reason };
        let text = std::fs::read(&file).map_err(|error| unfit(error.to_string()))?;
        let this: Self = serde_json::from_slice(&text).map_err(|error| unfit(error.to_string()))?;
        if this.version != VERSION {
            return Err(unfit(format!("its version is {}, and this program reads {VERSION}", this.version)));
        }
        if this.models.is_empty() {
            return Err(unfit("it has no model".to_owned()));
        }
        let inside = |model: &&String| {
            !model.is_empty()
                && Path::new(model).components().all(|part| matches!(part, Component::Normal(_)))
        };
        match this.models.iter().find(|model| !inside(model)) {
            Some(outside) => Err(unfit(format!("`{outside}` is no file below its folder"))),
            None => Ok(this),
        }
    }
}

impl Ensemble {
    /// Loads models: files, folders of runs, and folders of ensembles. `combine` overrides what an ensemble says.
    ///
    /// # Errors
    /// [`EnsembleError`], naming the file.
    pub fn load(paths: &[PathBuf], combine: Option<Combine>) -> Result<Self, EnsembleError> {
        let mut files = Vec::new();
        let mut said = None;
        for path in paths {
            if path.is_dir() && path.join(ENSEMBLE_FILE).exists() {
                let described = EnsembleFile::read(path)?;
                said = said.or(Some(described.combine));
                files.extend(described.models.iter().map(|model| path.join(model)));
            } else if path.is_dir() {
                files.push(path.join("model.safetensors"));
            } else {
                files.push(path.clone());
            }
        }
        let mut models: Vec<Model> = Vec::with_capacity(files.len());
        let mut contents = Vec::with_capacity(files.len());
        for file in &files {
            let of_file = |fault| ModelError { path: file.clone(), fault };
            let content = std::fs::read(file).map_err(|error| of_file(ModelFault::Read(error)))?;
            let model = Model::from_bytes(&content).map_err(of_file)?;
            if let Some(first) = models.first().filter(|first| first.classes != model.classes) {
                return Err(EnsembleError::Classes {
                    file: file.clone(),
                    classes: model.classes.join(", "),
                    others: first.classes.join(", "),
                });
            }
            models.push(model);
            contents.push(Octets(content.into()));
        }
        let combine = combine.or(said).unwrap_or_default();
        Ok(Self { models, files: ModelFiles { models: contents, combine } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_that_is_damaged_or_leads_elsewhere_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(folder.path().join(ENSEMBLE_FILE), text).unwrap();
            Ensemble::load(&[folder.path().to_owned()], None).unwrap_err().to_string()
        };
        let file = |version: u32, models: &str| {
            format!(r#"{{"version":{version},"combine":"vote","models":[{models}]}}"#)
        };
        for (text, word) in [
            ("{".to_owned(), "EOF"),
            (file(9, "\"a\""), "its version is 9"),
            (file(1, ""), "no model"),
            (file(1, "\"../a\""), "`../a` is no file below"),
            (file(1, "\"/a\""), "`/a` is no file below"),
            (file(1, "\"missing\""), "missing"),
        ] {
            let error = read(&text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
