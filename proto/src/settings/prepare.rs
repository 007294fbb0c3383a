use serde::{Deserialize, Serialize};

use super::check;
use crate::WireError;

/// Where a prepared set goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareTo {
    /// A folder that the driver and all executors reach: an absolute path, or a URL.
    pub location: String,
    /// What the pipeline was called: a preset, or a file.
    pub pipeline_name: String,
}

impl PrepareTo {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        let location = &self.location;
        check(
            location.starts_with('/') || location.contains("://"),
            "prepare.location",
            "it must be an absolute path or a URL",
        )
    }
}
