//! Classifies picture files with a model, in this process.

mod classifier;
mod picture;

pub use classifier::{Classified, Classifier, InferenceError};
pub use picture::Picture;
