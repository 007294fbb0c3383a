//! What pictures there are and of which class, wherever they are stored; the split into training and held-out pictures.

mod classes;
mod error;
mod folds;
mod listing;
mod picture;
mod place;
mod source;
mod split;
mod unlabelled;

use std::{collections::BTreeMap, path::Path};

use howdah_executor::source::Library;
use howdah_proto::settings::{DataFormat, DataSettings};
use tokio::runtime::Handle;

pub use classes::parse_mapping;
pub use error::DatasetError;
pub use folds::folds;
pub use picture::PictureFile;
pub use source::pictures_below;
pub use split::{shuffled, split_validation};
pub use unlabelled::{Finder, Patterns, shown_name};

use classes::ClassMap;
use listing::{Found, Listed};

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

    /// The first class without a picture among these.
    fn missing(&self, files: &[PictureFile]) -> Option<String> {
        let class = self.count(files).iter().position(|count| *count == 0)?;
        self.classes.get(class).cloned()
    }
}

/// Lists pictures, and splits them: held out are those of `test`, else those that the source itself holds out, else a
/// fraction.
///
/// # Errors
/// [`DatasetError`], naming the file, folder or class.
pub fn list(
    train: &Path,
    test: Option<&Path>,
    test_fraction: f64,
    mapping: &BTreeMap<String, Vec<String>>,
    format: DataFormat,
) -> Result<Dataset, DatasetError> {
    let mut library = Library::new(Handle::try_current().ok());
    let listed = source::list(train, format, mapping, &mut library)?;
    let classes = ClassMap::of_training(train, &listed.names, mapping)?;
    let mut dataset = Dataset { classes: classes.classes().to_vec(), ..Dataset::default() };
    let found = labelled(listed, &classes, &mut dataset.skipped);
    let own_split = found.iter().any(|found| found.held_out);
    let (held, others): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| match test {
        None if !own_split => split::is_held_out(&found.file.relative, test_fraction),
        _ => found.held_out,
    });
    dataset.train = files(others);
    dataset.test = match test {
        None => files(held),
        Some(test) => {
            let held = list_labelled(test, &dataset.classes, mapping, DataFormat::Auto)?;
            dataset.skipped.extend(held.skipped);
            held.files
        }
    };
    if let Some(class) = dataset.missing(&dataset.train) {
        return Err(DatasetError::EmptyClass { folder: train.to_owned(), class });
    }
    if let Some(test) = test
        && let Some(class) = dataset.missing(&dataset.test)
    {
        return Err(DatasetError::UntestedClass { folder: test.to_owned(), class });
    }
    Ok(dataset)
}

/// Gives pictures the labels of their classes; those of no class are left out.
fn labelled(listed: Listed, classes: &ClassMap, skipped: &mut Vec<(String, String)>) -> Vec<Found> {
    skipped.extend(listed.skipped);
    let mut found = listed.found;
    found.retain_mut(|found| match classes.label(found.file.label) {
        Some(label) => {
            found.file.label = label;
            true
        }
        None => false,
    });
    found
}

fn files(found: Vec<Found>) -> Vec<PictureFile> {
    found.into_iter().map(|found| found.file).collect()
}

/// Pictures whose classes are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labelled {
    /// The pictures, labelled by the place of their class, in the order of their paths.
    pub files: Vec<PictureFile>,
    /// Names that can't be used, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Lists pictures of classes that are known already; only the held-out ones of a source that holds some out.
///
/// # Errors
/// [`DatasetError`], naming the file, folder or class.
pub fn list_labelled(
    place: &Path,
    classes: &[String],
    mapping: &BTreeMap<String, Vec<String>>,
    format: DataFormat,
) -> Result<Labelled, DatasetError> {
    let mut library = Library::new(Handle::try_current().ok());
    let listed = source::list(place, format, mapping, &mut library)?;
    let map = ClassMap::for_classes(place, &listed.names, classes, mapping)?;
    let mut skipped = Vec::new();
    let mut found = labelled(listed, &map, &mut skipped);
    if found.iter().any(|found| found.held_out) {
        found.retain(|found| found.held_out);
    }
    Ok(Labelled { files: files(found), skipped })
}

/// Lists the data set that settings name; synthetic pictures must have been drawn to `synthetic_root`.
///
/// # Errors
/// [`DatasetError`], naming the file, folder or class.
pub fn list_for(data: &DataSettings, synthetic_root: &Path) -> Result<Dataset, DatasetError> {
    match data {
        DataSettings::Folder { train, test, test_fraction, classes, format } => {
            list(train, test.as_deref(), *test_fraction, classes, *format)
        }
        DataSettings::Synthetic { .. } => {
            let (train, test) = (synthetic_root.join("train"), synthetic_root.join("test"));
            list(&train, Some(&test), 0.0, &BTreeMap::new(), DataFormat::Folder)
        }
    }
}
