//! Classifies picture files with a model, or with several that answer as one, in this process.

mod classifier;
mod ensemble;
mod picture;

pub use classifier::{Classified, Classifier, InferenceError};
pub use ensemble::{ENSEMBLE_FILE, Ensemble, EnsembleFile};
pub use picture::Picture;
