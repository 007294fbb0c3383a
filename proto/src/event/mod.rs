//! What happens in a job, as it is streamed to clients and written to the event log.
//!
//! One line of the log is one [`Recorded`] event as JSON. A field is never renamed or given another meaning
//! without a new [`EVENT_VERSION`].

mod happened;
mod kinds;
mod metrics;
mod report;

use serde::{Deserialize, Serialize};

pub use happened::{Event, Move};
pub use kinds::{FailureKind, Role, StageKind};
pub use metrics::{CalibrationBin, ClassIntervals, ClassMetrics, Interval, Intervals, Metrics, TopK};
pub use report::{EpochReport, JobReport, PrepareReport, PrepareSeconds, Seconds, ShardReport};

/// The version of the event log's format.
pub const EVENT_VERSION: u32 = 2;

/// An event with its place and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The format's version, [`EVENT_VERSION`].
    pub version: u32,
    /// Its place in the job's events, counted from 0.
    pub sequence: u64,
    /// When it happened, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
