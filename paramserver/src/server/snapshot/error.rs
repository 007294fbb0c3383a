use tonic::Status;

/// A snapshot that can't be written or read.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum SnapshotError {
    /// The place of the snapshot makes no sense.
    #[error("`{location}` is no place for snapshots: {reason}")]
    Location { location: String, reason: String },
    /// The place of the snapshot doesn't answer.
    #[error("{location} has not answered for {seconds} s")]
    Silent { location: String, seconds: u64 },
    /// Others that are being opened don't answer.
    #[error("{location} waits for other folders of snapshots, which have not answered for {seconds} s")]
    Behind { location: String, seconds: u64 },
    /// A file's name would lead out of the folder.
    #[error("`{file}` is no name of a file in a snapshot")]
    Name { file: String },
    /// The store doesn't do what it was asked for.
    #[error("{file} in {location} can't be {action}: {reason}")]
    Store { location: String, file: String, action: &'static str, reason: String },
    /// The file isn't the one that the snapshot is about.
    #[error("{file} in {location} is not the file that was saved: {reason}")]
    Foreign { location: String, file: String, reason: String },
}

impl From<SnapshotError> for Status {
    fn from(error: SnapshotError) -> Self {
        let message = error.to_string();
        match error {
            SnapshotError::Location { .. } | SnapshotError::Name { .. } => Self::invalid_argument(message),
            SnapshotError::Silent { .. } | SnapshotError::Behind { .. } | SnapshotError::Store { .. } => {
                Self::aborted(message)
            }
            SnapshotError::Foreign { .. } => Self::data_loss(message),
        }
    }
}
