//! The folder that a run leaves behind: event log, metrics, model, and the logs of its processes.

mod folder;
mod metrics;
mod study;

pub use folder::{OutputError, RunFolder};
pub use metrics::Metrics;
pub use study::StudyFolder;
