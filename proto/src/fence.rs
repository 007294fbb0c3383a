//! Fences: what makes a push count exactly once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Attempt, Epoch, Partition, Round, Step, WireError, pb, required};

/// A training task within its job: one partition in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrainTask {
    /// The epoch.
    pub epoch: Epoch,
    /// The partition.
    pub partition: Partition,
}

impl fmt::Display for TrainTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} in epoch {}", self.partition, self.epoch)
    }
}

/// Which steps of which attempt of which task a push carries.
///
/// `first <= last`, both counted from 1: a fence that exists is well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    task: TrainTask,
    attempt: Attempt,
    first: Step,
    last: Step,
}

impl Fence {
    /// Makes a fence over the steps `first..=last`.
    ///
    /// # Errors
    /// [`WireError::Invalid`] if a step or the attempt is 0, or `first > last`.
    pub fn new(task: TrainTask, attempt: Attempt, first: Step, last: Step) -> Result<Self, WireError> {
        if attempt.0 == 0 {
            return Err(WireError::invalid("fence.attempt", "attempts are counted from 1"));
        }
        if first.0 == 0 || first > last {
            return Err(WireError::invalid(
                "fence.first_step",
                format!("steps {first} to {last} are not a range counted from 1"),
            ));
        }
        Ok(Self { task, attempt, first, last })
    }

    /// The task that pushes.
    pub fn task(&self) -> TrainTask {
        self.task
    }

    /// The attempt that pushes.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The first step the push carries.
    pub fn first(&self) -> Step {
        self.first
    }

    /// The last step the push carries.
    pub fn last(&self) -> Step {
        self.last
    }

    /// How many steps the push carries, at least 1.
    pub fn steps(&self) -> u64 {
        self.last.0 - self.first.0 + 1
    }
}

impl From<TrainTask> for pb::TrainTaskId {
    fn from(task: TrainTask) -> Self {
        Self { epoch: task.epoch.0, partition: task.partition.0 }
    }
}

impl TryFrom<Option<pb::TrainTaskId>> for TrainTask {
    type Error = WireError;

    fn try_from(message: Option<pb::TrainTaskId>) -> Result<Self, WireError> {
        let message = required(message, "task")?;
        Ok(Self { epoch: Epoch(message.epoch), partition: Partition(message.partition) })
    }
}

impl From<Fence> for pb::Fence {
    fn from(fence: Fence) -> Self {
        Self {
            task: Some(fence.task.into()),
            attempt: fence.attempt.0,
            first_step: fence.first.0,
            last_step: fence.last.0,
        }
    }
}

impl TryFrom<Option<pb::Fence>> for Fence {
    type Error = WireError;

    fn try_from(message: Option<pb::Fence>) -> Result<Self, WireError> {
        let message = required(message, "fence")?;
        Self::new(
            message.task.try_into()?,
            Attempt(message.attempt),
            Step(message.first_step),
            Step(message.last_step),
        )
    }
}

/// The round that a push belongs to, and how many contributions complete it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoundPart {
    /// The round, counted from 1.
    pub round: Round,
    /// Contributions that complete it, at least 1.
    pub contributions: u32,
}

impl From<RoundPart> for pb::Round {
    fn from(part: RoundPart) -> Self {
        Self { round: part.round.0, contributions: part.contributions }
    }
}

impl TryFrom<pb::Round> for RoundPart {
    type Error = WireError;

    fn try_from(message: pb::Round) -> Result<Self, WireError> {
        if message.round == 0 || message.contributions == 0 {
            return Err(WireError::invalid("round", "rounds and their contributions are counted from 1"));
        }
        Ok(Self { round: Round(message.round), contributions: message.contributions })
    }
}
