use std::path::PathBuf;

use howdah_executor::source::ReadError;
use howdah_proto::settings::DataFormat;

use super::source::HalfSplit;

/// What is no data set.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A folder can't be read.
    #[error("can't read the folder {folder}: {reason}")]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// Why, as the operating system says it.
        reason: String,
    },
    /// There are fewer than two classes.
    #[error(
        "{folder} has {found}, but a classifier needs pictures of at least two classes: a folder for each, or labels"
    )]
    TooFewClasses {
        /// The data folder.
        folder: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// A class has no training picture.
    #[error("class `{class}` has no training picture in {folder}")]
    EmptyClass {
        /// The data folder.
        folder: PathBuf,
        /// The class.
        class: String,
    },
    /// A class has no held-out picture.
    #[error("class `{class}` has no picture in {folder}, which is to test all classes")]
    UntestedClass {
        /// Where the held-out pictures are.
        folder: PathBuf,
        /// The class.
        class: String,
    },
    /// A mapping names a folder or label that isn't there.
    #[error("class `{class}` is mapped to `{name}`, which is not in {folder}{}", hint(.nearest))]
    NoSuchName {
        /// The data folder.
        folder: PathBuf,
        /// The class.
        class: String,
        /// The folder or label that is missing.
        name: String,
        /// One of a similar name.
        nearest: Option<String>,
    },
    /// A mapping gives one folder or label to two classes.
    #[error("`{name}` is mapped to both `{first}` and `{second}`")]
    MappedTwice {
        /// The folder or label.
        name: String,
        /// One class.
        first: String,
        /// The other.
        second: String,
    },
    /// A source has a class that was not trained on.
    #[error("{folder} has a class `{class}` that is not one of those trained on ({known})")]
    UnknownClass {
        /// The folder.
        folder: PathBuf,
        /// The class.
        class: String,
        /// The classes that were trained on.
        known: String,
    },
    /// Something can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A place can't be looked at as it is given.
    #[error("`{place}`: {reason}")]
    Place {
        /// What was given.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder looks like a split, but for something in it.
    #[error(
        "{place} has the classes in `{training}`, and also `{other}`, which has none of them: say what to train on with \
         --data {place}/{training}, and what to hold out with --test"
    )]
    HalfSplit {
        /// The path or URL.
        place: String,
        /// The folder that is trained on.
        training: String,
        /// The one that doesn't fit.
        other: String,
    },
    /// It can't be told how pictures are stored.
    #[error("{place} {reason}; --format says how pictures are stored")]
    Format {
        /// The path or URL.
        place: String,
        /// What is there.
        reason: String,
    },
    /// A file is not what its format asks for.
    #[error("{object} is no good {}: {reason}", name_of(*.format))]
    Malformed {
        /// The path or URL.
        object: String,
        /// What it was taken for.
        format: DataFormat,
        /// What is wrong with it.
        reason: String,
    },
    /// A mapping is not of the form class=folder,folder.
    #[error("`{text}` is no mapping of the form class=folder or class=folder,folder")]
    Mapping {
        /// What was given.
        text: String,
    },
}

impl DatasetError {
    /// The error of a place that is nearly a split.
    pub(super) fn half_split(place: &str, HalfSplit { training, other }: HalfSplit) -> Self {
        Self::HalfSplit { place: place.trim_end_matches('/').to_owned(), training, other }
    }
}

fn hint(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!("; is it `{name}`?")).unwrap_or_default()
}

fn name_of(format: DataFormat) -> &'static str {
    match format {
        DataFormat::Auto => "data set",
        DataFormat::Folder => "folder of pictures",
        DataFormat::Tar => "tar file of pictures",
        DataFormat::Parquet => "Parquet file of pictures",
        DataFormat::Idx => "IDX file",
        DataFormat::Cifar => "CIFAR batch",
        DataFormat::Prepared => "prepared set",
    }
}
