//! Classifies picture files with a model, in this process.

mod classifier;

pub use classifier::{Classified, Classifier, InferenceError};
