use serde::{Deserialize, Serialize};

use super::{Correction, Mode, Pace, UpdateRule, check};
use crate::WireError;

/// How the contributions of a round become one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
}

/// What a shard does with pushes: everything about a job that its shards need to know.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSpec {
    /// The update rule.
    pub rule: UpdateRule,
    /// What is done about stale pushes.
    pub correction: Correction,
    /// How replicas and shards stay in step.
    pub mode: Mode,
    /// How rounds are combined.
    pub combine: Combine,
    /// How the learning rate of the rule goes through the training.
    #[serde(default)]
    pub pace: Pace,
    /// The share of the moving average of the weights that each step leaves in place; none for no average.
    #[serde(default)]
    pub average: Option<f32>,
}

/// When and where the shards are saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSettings {
    /// A folder, as an absolute path or the URL of an object store, that the driver and all parameter servers reach.
    pub location: String,
    /// Seconds between two snapshots; one is also taken after each epoch.
    pub every_seconds: u32,
    /// Whether the job goes on with the newest whole snapshot that is there already, if there is one. Without it, a job
    /// that is not told to `resume` from there is refused then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
}

impl SnapshotSettings {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        check(!self.location.is_empty(), "snapshots", "a folder or a URL is needed")?;
        check(self.every_seconds >= 1, "snapshot_every", "at least 1 second")
    }
}
