use tonic::Status;

use super::cell::ShardKey;
use crate::shard::ShardError;

/// Says what a shard refuses, as a status that names the shard.
pub(super) fn refusal(key: ShardKey, error: ShardError) -> Status {
    let message = format!("{key}: {error}");
    match error {
        ShardError::Size { .. }
        | ShardError::Length { .. }
        | ShardError::NotFinite { .. }
        | ShardError::Course { .. }
        | ShardError::Contributions { .. }
        | ShardError::TooManyContributions { .. }
        | ShardError::NeedsLock { .. }
        | ShardError::FenceRange { .. } => Status::invalid_argument(message),
        ShardError::NotInitial
        | ShardError::Sequence { .. }
        | ShardError::Diverged { .. }
        | ShardError::PlannedAnew(_) => Status::failed_precondition(message),
        ShardError::Image { .. } => Status::data_loss(message),
        ShardError::TooManyTags
        | ShardError::TooManyTasks
        | ShardError::TooManyCuts
        | ShardError::OutOfMemory(_) => Status::resource_exhausted(message),
    }
}
