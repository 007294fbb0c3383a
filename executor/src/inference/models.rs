use serde::{Deserialize, Serialize};

use super::Octets;
use crate::learn::Combine;

/// The files of models that answer as one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelFiles {
    /// The bytes of each file, at least one.
    pub models: Vec<Octets>,
    /// How their answers become one.
    pub combine: Combine,
}
