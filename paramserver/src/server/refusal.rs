use tonic::Status;

use super::cell::ShardKey;
use crate::shard::ShardError;

/// Says what a shard refuses, as a status that names the shard.
pub(super) fn refusal(key: ShardKey, error: ShardError) -> Status {
    let message = format!("{key}: {error}");
    match error {
        ShardError::Size { .. } | ShardError::Length { .. } | ShardError::NotFinite { .. } => {
            Status::invalid_argument(message)
        }
        ShardError::NotInitial => Status::failed_precondition(message),
        ShardError::TooManyTags | ShardError::TooManyTasks | ShardError::OutOfMemory(_) => {
            Status::resource_exhausted(message)
        }
    }
}
