use std::path::PathBuf;

/// A folder that is no data set.
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
    #[error("{folder} has {found}, but a classifier needs a folder for each of at least two classes")]
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
    /// A mapping names a folder that isn't there.
    #[error("class `{class}` is mapped to the folder `{name}`, which is not in {folder}{}", hint(.nearest))]
    NoSuchFolder {
        /// The data folder.
        folder: PathBuf,
        /// The class.
        class: String,
        /// The folder that is missing.
        name: String,
        /// A folder of a similar name.
        nearest: Option<String>,
    },
    /// A mapping gives one folder to two classes.
    #[error("the folder `{name}` is mapped to both `{first}` and `{second}`")]
    MappedTwice {
        /// The folder.
        name: String,
        /// One class.
        first: String,
        /// The other.
        second: String,
    },
    /// A folder has a class that was not trained on.
    #[error("{folder} has a class `{class}` that is not one of those trained on ({known})")]
    UnknownClass {
        /// The folder.
        folder: PathBuf,
        /// The class.
        class: String,
        /// The classes that were trained on.
        known: String,
    },
    /// A mapping is not of the form class=folder,folder.
    #[error("`{text}` is no mapping of the form class=folder or class=folder,folder")]
    Mapping {
        /// What was given.
        text: String,
    },
}

fn hint(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!("; is it `{name}`?")).unwrap_or_default()
}
