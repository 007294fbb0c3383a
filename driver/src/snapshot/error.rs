use howdah_proto::Epoch;

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
    /// Somebody else has written what would be the next one.
    #[error("another run takes snapshots in {0}")]
    Shared(String),
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
    /// A file of it is missing, or not whole.
    #[error(
        "{file} is damaged: {reason}; delete its folder to go on with the snapshot before it, if there is one"
    )]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A file that a parameter server has written isn't there for the driver.
    #[error(
        "{file} was written by a parameter server, and for the driver {reason}; all machines must reach the same place"
    )]
    Unseen {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The run has got further than it is to go.
    #[error("the run has got to epoch {at} already, and is to end with epoch {epochs}")]
    Beyond {
        /// Where it is.
        at: Epoch,
        /// How many epochs there are to be.
        epochs: u32,
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

impl SnapshotError {
    /// What can be done about it, for whoever wanted to go on with a run, where the error doesn't say it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Location { .. } | Self::None(_) => {
                Some("--resume takes the folder of a run, the folder of its snapshots, or their URL")
            }
            Self::Unfit { .. } => Some("the settings must be those of the run"),
            Self::Shared(_)
            | Self::Store { .. }
            | Self::Manifest { .. }
            | Self::Damaged { .. }
            | Self::Unseen { .. }
            | Self::Beyond { .. } => None,
        }
    }
}
