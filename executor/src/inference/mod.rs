//! Classifies pictures with a model, or with several that answer as one: in the driver's own process, or as a function of an RDD.

mod classifier;
mod classify;
mod models;
mod octets;
mod picture;

pub use classifier::{BATCH, Classifier, InferenceError};
pub use classify::Classify;
pub use models::ModelFiles;
pub use octets::Octets;
pub use picture::{PictureRef, Whereabouts};

use serde::{Deserialize, Serialize};

use crate::rdd::Registry;

/// Registers what executors need to classify pictures.
pub fn register(registry: &mut Registry) {
    registry.map_partitions::<Classify>();
}

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// The probability of each class.
    Probabilities(Vec<f32>),
    /// It is of no use, for this reason.
    Unusable(String),
    /// It can't be seen from where it was tried, for this reason; perhaps from elsewhere.
    Unseen(String),
}
