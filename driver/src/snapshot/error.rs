/// A snapshot that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The location is no folder and no URL.
    #[error("{location} is neither an absolute path nor a URL of snapshots: {reason}")]
    Location {
        /// What was given.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no whole snapshot there.
    #[error("there is no whole snapshot in {0}")]
    None(String),
    /// It can't be read or written.
    #[error("{file}: {reason}")]
    Store {
        /// The file or folder.
        file: String,
        /// Why.
        reason: String,
    },
    /// Its manifest makes no sense.
    #[error("{file} is no manifest of a snapshot: {reason}")]
    Manifest {
        /// The manifest.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// It is of a run with other settings.
    #[error("the snapshot was taken with another {setting} ({then}, and now {now})")]
    Unfit {
        /// Which setting.
        setting: &'static str,
        /// What it was.
        then: String,
        /// What it is now.
        now: String,
    },
}
