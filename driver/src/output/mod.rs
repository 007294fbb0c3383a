//! The folder that a run leaves behind: event log, metrics, model and its card, and the logs of its processes.

mod card;
mod folder;
mod metrics;
mod pictures;
mod study;

pub use card::{Card, EnsembleCard, HeldOut, MeasuredOn, Member, OwnCard};
pub use folder::{CARD_FILE, OutputError, RunFolder, create_empty};
pub use metrics::RunMetrics;
pub use pictures::PictureCounts;
pub use study::StudyFolder;
