use std::path::PathBuf;

use howdah_executor::{
    inference::InferenceError, learn::ModelError, role::ExecutorError, vision::preview::PreviewError,
};
use howdah_paramserver::{cli::ParamserverError, role::process::Ending};
use howdah_proto::WireError;

use super::line;
use crate::{
    client::ClientError,
    dataset::DatasetError,
    driver::DriverError,
    inference::{EnsembleError, InferenceFailure},
    local::LocalError,
    output::OutputError,
    prepared::PreparedError,
    rdd::ContextError,
    search::{JournalError, SpaceError},
};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A flag has a value that makes no sense.
    #[error("{flag}: {reason}")]
    Flag {
        /// The flag.
        flag: String,
        /// What is wrong.
        reason: String,
    },
    /// A flag was given that can't be changed any more.
    #[error("{flag}: it was settled when this was begun, and --resume takes it from there")]
    Settled {
        /// The flag.
        flag: String,
    },
    /// A flag was given that is of no use beside the others.
    #[error(
        "{flag}: it changes nothing with these settings\nhint: `howdah-driver train --help` says what it goes with"
    )]
    NoEffect {
        /// The flag.
        flag: String,
    },
    /// The settings make no sense together.
    #[error(transparent)]
    Settings(WireError),
    /// The output folder can't be used.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The cluster doesn't come up.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The driver can't start.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The driver can't be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The pictures can't be listed.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// What was prepared can't be used.
    #[error(transparent)]
    Prepared(#[from] PreparedError),
    /// The model can't be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model can't be used.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// Models can't answer together.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// Pictures can't be classified.
    #[error(transparent)]
    Classify(#[from] InferenceFailure),
    /// The cluster does not do its work.
    #[error(transparent)]
    Cluster(#[from] ContextError),
    /// Predictions can't be written.
    #[error("can't write predictions to {path}: {error}")]
    Predictions {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// The executor ended.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The parameter server ended.
    #[error(transparent)]
    Paramserver(#[from] ParamserverError),
    /// The job failed.
    #[error("the job failed: {error}")]
    Job {
        /// Why.
        error: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// The job did not begin, because of what is where it goes on from or takes its snapshots.
    #[error("the job did not begin: {error}")]
    Place {
        /// Why.
        error: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// Its driver is gone.
    #[error("the driver stopped before the job had ended")]
    DriverStopped,
    /// The flags of a trial can't be used.
    #[error("{0}")]
    Trial(String),
    /// The search space can't be used.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// The journal of a study can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Every trial fails.
    #[error("all trials fail, the last one with: {0}")]
    Hopeless(String),
    /// A study ended before its time.
    #[error("{error}")]
    CanBeResumed {
        /// Why.
        error: Box<CliError>,
        /// The command that goes on with it.
        command: String,
    },
    /// The job was cancelled by somebody else.
    #[error("the job was cancelled: {0}")]
    Cancelled(String),
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// There is no contact sheet.
    #[error(transparent)]
    Preview(#[from] PreviewError),
    /// Some pictures could not be shown; each has been named.
    #[error("{failed} of {all} pictures could not be shown")]
    NotShown {
        /// How many could not.
        failed: usize,
        /// How many there were.
        all: usize,
    },
    /// There is nothing to evaluate with.
    #[error("{} has no picture of the model's classes", place.display())]
    NoPictures {
        /// Where pictures were looked for.
        place: PathBuf,
    },
    /// Some pictures could not be classified; each has been named.
    #[error("{failed} of {all} pictures could not be classified")]
    Pictures {
        /// How many could not.
        failed: usize,
        /// How many there were.
        all: usize,
    },
    /// The drill found that a batch did not count exactly once.
    #[error("the drill failed: {0}")]
    Drill(String),
    /// Standard output can't be written.
    #[error("can't write the results to standard output: {0}")]
    Unsaid(String),
    /// Signals, threads or files can't be had.
    #[error("the operating system refuses: {0}")]
    System(#[from] std::io::Error),
}

impl CliError {
    /// Whether something outside has stopped a job: nothing is wrong with it.
    pub(in crate::cli) fn is_from_outside(&self) -> bool {
        matches!(self, Self::Interrupted | Self::DriverStopped | Self::Client(_))
    }
}

impl From<WireError> for CliError {
    /// Names the flag that sets a field, if there is one.
    fn from(error: WireError) -> Self {
        match error {
            WireError::Invalid { field, reason } => match line::flag_of(field) {
                Some(flag) => Self::Flag { flag, reason },
                None => Self::Settings(WireError::Invalid { field, reason }),
            },
            missing => Self::Settings(missing),
        }
    }
}

impl Ending for CliError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Job { hint, .. } | Self::Place { hint, .. } => return hint.clone(),
            Self::CanBeResumed { command, .. } => return Some(format!("go on with `{command}`")),
            Self::Client(ClientError::Connect(_)) => {
                "check --driver, and that `howdah-driver serve` is running"
            }
            Self::NoPictures { .. } | Self::Dataset(DatasetError::TooFewClasses { .. }) => {
                "--data takes a folder with a folder of pictures for each class"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// 2 for a wrong start, 130 after Ctrl-C, 1 for anything else.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Flag { .. }
            | Self::Settled { .. }
            | Self::NoEffect { .. }
            | Self::Settings(_)
            | Self::Space(_)
            | Self::Trial(_) => 2,
            Self::CanBeResumed { error, .. } => error.exit_code(),
            Self::Interrupted => 130,
            Self::Driver(DriverError::Listen(error)) if error.is_usage() => 2,
            Self::Executor(error) => error.exit_code(),
            Self::Paramserver(error) => error.exit_code(),
            _ => 1,
        }
    }
}
