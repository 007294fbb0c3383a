//! What a user can set for a training job: sent to the driver, kept in the event log and in the model file.

mod correction;
mod data;
mod encoding;
mod format;
mod learning;
mod mode;
mod network;
mod pipeline;
mod prepare;
mod rule;
mod schedule;
mod selection;
mod shards;
mod train;
mod updates;
mod validation;

use crate::WireError;

pub use correction::{Correction, StalenessScale};
pub use data::DataSettings;
pub use encoding::{Compression, Encoding};
pub use format::DataFormat;
pub use learning::{ClassWeights, Learning};
pub use mode::{Course, MAX_CONTRIBUTIONS, Mode, PushEvery};
pub use network::{MAX_UNITS, NetworkSettings};
pub use pipeline::{FLIP, MAX_VIEWS, Pipeline};
pub use prepare::PrepareTo;
pub use rule::UpdateRule;
pub use schedule::{Pace, Progress, RateShape, Schedule};
pub use selection::{Fold, MAX_FOLDS, NotAFold, Selection};
pub use shards::{Combine, ShardSpec, SnapshotSettings};
pub use train::{MAX_SHARDS, TrainSettings};
pub use updates::{Optimizer, Updates};
pub use validation::{Monitor, Validation};

fn check(good: bool, field: &'static str, reason: &str) -> Result<(), WireError> {
    if good { Ok(()) } else { Err(WireError::invalid(field, reason)) }
}

fn check_rate(field: &'static str, rate: f32) -> Result<(), WireError> {
    check(rate.is_finite() && rate > 0.0, field, "it must be a finite number above 0")
}
