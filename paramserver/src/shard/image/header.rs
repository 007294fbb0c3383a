use std::collections::BTreeSet;

use howdah_proto::{
    Attempt, Epoch, Step, Version,
    fence::{Fence, RoundPart, TrainTask},
    settings::{MAX_CONTRIBUTIONS, ShardSpec},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::{
    Counters, ShardError,
    error::{MAX_TAGS, MAX_TASKS},
    machine::check_size,
    staleness::CLASSES,
};

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageHeader {
    /// The first of the parameters in it.
    pub start: u64,
    /// How many there are.
    pub len: u64,
    /// What the shard does with pushes.
    pub spec: ShardSpec,
    /// Whether the initial weights were set.
    pub written: bool,
    /// Pushes accepted that are in the weights.
    pub sequence: u64,
    /// Changes of the weights.
    pub version: Version,
    /// Of each task the mark and the highest attempt.
    pub seen: Vec<(TrainTask, Step, Attempt)>,
    /// Epochs whose marks are forgotten, and the steps that were in them.
    pub retired: Option<(Epoch, u64)>,
    /// What the shard has counted.
    pub counters: Counters,
    /// How many pushes were how stale.
    pub staleness: Vec<u64>,
    /// The single numbers of the rule's state.
    #[serde(with = "bits")]
    pub scalars: Vec<f64>,
    /// How many arrays of `len` values belong to the rule, after the weights.
    pub rule_arrays: u32,
    /// Whether the moving mean of delay compensation comes after them.
    pub mean_square: bool,
    /// The round that isn't complete.
    pub pending: Option<PendingRound>,
    /// The version of the weights before the last round, if they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Version>,
    /// The tags, and the versions of their weights, in the order of their arrays at the end.
    pub tags: Vec<(u64, Version)>,
}

/// The contributions to a round that isn't complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingRound {
    /// What they say of the round.
    pub part: RoundPart,
    /// Of each the task, the attempt, the first and the last step.
    pub contributions: Vec<(TrainTask, Attempt, Step, Step)>,
}

impl PendingRound {
    /// Gives the fences of the contributions.
    ///
    /// # Errors
    /// [`ShardError::Image`] if they are none, or not those of a round that isn't complete.
    pub(super) fn fences(&self) -> Result<Vec<Fence>, ShardError> {
        let bad = |reason: &str| ShardError::Image { reason: format!("of its round: {reason}") };
        if self.part.contributions > MAX_CONTRIBUTIONS {
            return Err(bad("it has too many contributions"));
        }
        if !(1..self.part.contributions as usize).contains(&self.contributions.len()) {
            return Err(bad("the number of its contributions is not one of a round that is under way"));
        }
        let fence = |(task, attempt, first, last): &(TrainTask, Attempt, Step, Step)| {
            Fence::new(*task, *attempt, *first, *last).map_err(|error| bad(&error.to_string()))
        };
        let fences: Vec<Fence> = self.contributions.iter().map(fence).collect::<Result<_, _>>()?;
        let tasks: BTreeSet<TrainTask> = fences.iter().map(Fence::task).collect();
        if tasks.len() == fences.len() { Ok(fences) } else { Err(bad("a task contributes twice")) }
    }
}

impl ImageHeader {
    /// Checks what can be checked without the arrays, and tells how many of them there are.
    pub(super) fn check(&self) -> Result<u64, ShardError> {
        let check = |good: bool, reason: &str| {
            if good { Ok(()) } else { Err(ShardError::Image { reason: reason.to_owned() }) }
        };
        check(check_size(self.len).is_ok(), "it has an impossible number of values")?;
        check(self.start.checked_add(self.len).is_some(), "its range ends beyond all numbers")?;
        check(self.seen.len() <= MAX_TASKS, "it has the marks of too many tasks")?;
        let tasks: BTreeSet<&TrainTask> = self.seen.iter().map(|(task, ..)| task).collect();
        check(tasks.len() == self.seen.len(), "a task has two marks")?;
        check(self.tags.len() <= MAX_TAGS, "it has too many tags")?;
        let tags: BTreeSet<u64> = self.tags.iter().map(|(tag, _)| *tag).collect();
        check(tags.len() == self.tags.len(), "two tags are the same")?;
        check(self.staleness.len() <= CLASSES, "its staleness has too many classes")?;
        let is_last = |before: Version| before.0.checked_add(1) == Some(self.version.0);
        let fits = self.before.is_none_or(|before| self.spec.mode.in_rounds() && is_last(before));
        check(fits, "its weights before the last round are of another version")?;
        self.pending.as_ref().map(PendingRound::fences).transpose()?;
        Ok(self.arrays_of_now() + u64::from(self.before.is_some()) + self.tags.len() as u64)
    }

    /// The place of the weights before the last round among the arrays, if they are there.
    pub(super) fn place_of_before(&self) -> Option<usize> {
        self.before.and_then(|_| usize::try_from(self.arrays_of_now()).ok())
    }

    /// How many arrays there are of the weights, the rule, the mean square and the round that isn't complete.
    fn arrays_of_now(&self) -> u64 {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.contributions.len() as u64);
        1 + u64::from(self.rule_arrays) + u64::from(self.mean_square) + pending
    }
}

/// Numbers by their bits: as decimals they might not come back to the last bit.
mod bits {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(numbers: &[f64], to: S) -> Result<S::Ok, S::Error> {
        numbers.iter().map(|number| number.to_bits()).collect::<Vec<u64>>().serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<u64>::deserialize(from)?.into_iter().map(f64::from_bits).collect())
    }
}
