use howdah_executor::source::ReadError;
use howdah_paramserver::stores::FolderError;

/// A prepared set that can't be used or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreparedError {
    /// The manifest makes no sense.
    #[error("{file} is no manifest of a prepared set: {reason}")]
    Manifest {
        /// The manifest.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The manifest was written by another version.
    #[error(
        "{file} has version {version}, and this program reads {}: prepare the pictures again",
        super::Manifest::VERSION
    )]
    Version {
        /// The manifest.
        file: String,
        /// Its version.
        version: u64,
    },
    /// A shard is not there, or not as long as it should be.
    #[error("{file}: {reason}")]
    Shard {
        /// The shard.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// There is something where a set should be written.
    #[error(
        "{0} is not empty; choose another with --out, or empty it if it is what an earlier `prepare` left unfinished"
    )]
    NotEmpty(String),
    /// What executors wrote can't be seen by the driver.
    #[error(
        "an executor has written {file}, but it can't be seen from the driver: --out must be a folder that all machines \
         share, or the URL of an object store"
    )]
    Unseen {
        /// The shard.
        file: String,
    },
    /// Something can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something can't be written or listed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}
