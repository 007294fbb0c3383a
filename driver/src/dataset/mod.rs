//! What pictures there are: folders to classes, and the split into training and held-out pictures.

mod classes;
mod error;
mod folder;
mod split;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use howdah_proto::settings::DataSettings;

pub use classes::parse_mapping;
pub use error::DatasetError;
pub use folder::pictures_below;
pub use split::{shuffled, split_validation};

use classes::ClassMap;

/// One picture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below the data folder, with `/` between the parts: what the split depends on.
    pub relative: String,
    /// The label of its class.
    pub label: u32,
    /// Its length.
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified_unix_ns: i64,
}

/// A data set, listed and split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dataset {
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// The pictures to train on, in the order of their paths.
    pub train: Vec<PictureFile>,
    /// The held-out pictures, in the order of their paths.
    pub test: Vec<PictureFile>,
    /// Names that can't be used, with the reason.
    pub skipped: Vec<(String, String)>,
}

impl Dataset {
    /// Counts pictures per class.
    pub fn count(&self, files: &[PictureFile]) -> Vec<u64> {
        let mut counts = vec![0; self.classes.len()];
        for file in files {
            counts[file.label as usize] += 1;
        }
        counts
    }
}

/// Lists the pictures of a folder per class, and splits them.
///
/// # Errors
/// [`DatasetError`], naming the folder or class.
pub fn list(
    train: &Path,
    test: Option<&Path>,
    test_fraction: f64,
    mapping: &BTreeMap<String, Vec<String>>,
) -> Result<Dataset, DatasetError> {
    let classes = ClassMap::of_folder(train, mapping)?;
    let mut dataset = Dataset { classes: classes.names().to_vec(), ..Dataset::default() };
    let listed = folder::pictures(train, &classes, &mut dataset.skipped)?;
    match test {
        Some(test) => {
            let test_classes = ClassMap::for_classes(test, classes.names(), mapping)?;
            dataset.train = listed;
            dataset.test = folder::pictures(test, &test_classes, &mut dataset.skipped)?;
        }
        None => {
            (dataset.test, dataset.train) =
                listed.into_iter().partition(|file| split::is_held_out(&file.relative, test_fraction))
        }
    }
    let counts = dataset.count(&dataset.train);
    if let Some(class) = counts.iter().position(|count| *count == 0) {
        return Err(DatasetError::EmptyClass {
            folder: train.to_owned(),
            class: dataset.classes[class].clone(),
        });
    }
    Ok(dataset)
}

/// Pictures whose classes are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labelled {
    /// The pictures, labelled by the place of their class, in the order of their paths.
    pub files: Vec<PictureFile>,
    /// Names that can't be used, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Lists the pictures of a folder per class, for classes that are known already.
///
/// # Errors
/// [`DatasetError`], naming the folder or class.
pub fn list_labelled(
    folder: &Path,
    classes: &[String],
    mapping: &BTreeMap<String, Vec<String>>,
) -> Result<Labelled, DatasetError> {
    let map = ClassMap::for_classes(folder, classes, mapping)?;
    let mut labelled = Labelled::default();
    labelled.files = folder::pictures(folder, &map, &mut labelled.skipped)?;
    Ok(labelled)
}

/// Lists the data set that settings name; synthetic pictures must have been drawn to `synthetic_root`.
///
/// # Errors
/// [`DatasetError`], naming the folder or class.
pub fn list_for(data: &DataSettings, synthetic_root: &Path) -> Result<Dataset, DatasetError> {
    match data {
        DataSettings::Folder { train, test, test_fraction, classes } => {
            list(train, test.as_deref(), *test_fraction, classes)
        }
        DataSettings::Synthetic { .. } => {
            let (train, test) = (synthetic_root.join("train"), synthetic_root.join("test"));
            list(&train, Some(&test), 0.0, &BTreeMap::new())
        }
    }
}
