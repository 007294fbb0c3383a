use serde::{Deserialize, Serialize};

/// How pictures and their labels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// Told from names and content.
    #[default]
    Auto,
    /// A folder for each class.
    Folder,
    /// Tar files named in the way of WebDataset.
    Tar,
    /// Parquet with encoded pictures in a column.
    Parquet,
    /// The files of the MNIST family.
    Idx,
    /// The binary batches of CIFAR-10 and CIFAR-100.
    Cifar,
    /// What `prepare` wrote.
    Prepared,
}
