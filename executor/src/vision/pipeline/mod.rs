//! Pipelines: presets, one file each, and the files that users write.

mod best;
mod check;
mod described;
mod error;
mod file;
mod hog;
mod preset;
mod seed;

pub use check::check;
pub use error::PipelineError;
pub use file::{read, write};
pub use preset::{Augment, Changes, PRESETS, Preset};
pub use seed::seed_pipeline;
