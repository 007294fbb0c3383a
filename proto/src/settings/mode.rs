use serde::{Deserialize, Serialize};

use super::{check, rule::UpdateRule};
use crate::WireError;

/// How often a replica pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushEvery {
    /// After so many steps, at least 1, and at the end of each task.
    Steps(u32),
    /// At the end of each task: once an epoch for each partition.
    Epoch,
}

impl PushEvery {
    /// Steps between two pushes.
    pub fn steps(self) -> u64 {
        match self {
            Self::Steps(steps) => u64::from(steps).max(1),
            Self::Epoch => u64::MAX,
        }
    }
}

/// How replicas and shards stay in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mode {
    /// Replicas push now and then and never wait for each other (Downpour; Dean et al. 2012).
    Asynchronous {
        /// How often.
        push_every: PushEvery,
    },
    /// As asynchronous, but no replica gets further ahead of the slowest than so many pushes (stale synchronous
    /// parallel; Ho et al. 2013).
    BoundedStaleness {
        /// How often replicas push.
        push_every: PushEvery,
        /// How many pushes a replica may be ahead.
        staleness: u32,
    },
    /// As asynchronous, and shards apply pushes at the same time with no lock (Recht et al. 2011).
    Hogwild {
        /// How often replicas push.
        push_every: PushEvery,
    },
    /// Every partition contributes one step to each round, and the round is applied as one: the result depends on
    /// the seed alone.
    Synchronous {
        /// How many of the slowest partitions a round goes on without (Chen et al. 2016, "Revisiting distributed
        /// synchronous SGD"); the result then depends on who was slow.
        backups: u32,
    },
    /// Every partition contributes the outcome of several local steps to each round (DiLoCo; Douillard et al. 2023,
    /// algorithm 1).
    Local {
        /// Local steps in a round, at least 1.
        steps: u32,
    },
}

/// The most contributions a round may have: a shard keeps so many copies of itself until it is complete.
pub const MAX_CONTRIBUTIONS: u32 = 1024;

/// The two ways in which a mode is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// A task is an epoch of a partition, and pushes as it goes.
    Stream {
        /// Steps between two pushes.
        interval: u64,
    },
    /// A task is the part of a partition in one round.
    Rounds {
        /// Steps in a round.
        steps: u64,
        /// How many partitions a round goes on without.
        backups: u32,
    },
}

impl Mode {
    /// The way in which the mode is run.
    pub fn course(&self) -> Course {
        match *self {
            Self::Asynchronous { push_every }
            | Self::BoundedStaleness { push_every, .. }
            | Self::Hogwild { push_every } => Course::Stream { interval: push_every.steps() },
            Self::Synchronous { backups } => Course::Rounds { steps: 1, backups },
            Self::Local { steps } => Course::Rounds { steps: u64::from(steps).max(1), backups: 0 },
        }
    }

    /// Whether training goes on in rounds.
    pub fn in_rounds(&self) -> bool {
        matches!(self.course(), Course::Rounds { .. })
    }

    /// How many partitions can be in a round; none if there are no rounds.
    pub fn most_partitions(&self) -> Option<u32> {
        match self.course() {
            Course::Rounds { backups, .. } => Some(MAX_CONTRIBUTIONS.saturating_add(backups)),
            Course::Stream { .. } => None,
        }
    }

    pub(super) fn validate(&self, rule: &UpdateRule) -> Result<(), WireError> {
        match self {
            Self::Asynchronous { push_every }
            | Self::BoundedStaleness { push_every, .. }
            | Self::Hogwild { push_every } => {
                check(*push_every != PushEvery::Steps(0), "push_every", "at least 1 is needed")?;
            }
            Self::Synchronous { .. } => {}
            Self::Local { steps } => check(*steps >= 1, "local_steps", "at least 1 is needed")?,
        }
        if matches!(self, Self::Hogwild { .. }) {
            check(
                matches!(rule, UpdateRule::Sum | UpdateRule::Sgd { .. }),
                "rule",
                "hogwild needs a rule that adds: `sum` or `sgd`",
            )?;
        }
        check(
            !(self.in_rounds() && matches!(rule, UpdateRule::Elastic { .. })),
            "rule",
            "`elastic` needs replicas that keep their own weights, which rounds have not",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounds_have_a_limit_of_partitions_and_backups_are_beside_it() {
        assert_eq!(Mode::Synchronous { backups: 2 }.most_partitions(), Some(1_026));
        assert_eq!(Mode::Local { steps: 8 }.most_partitions(), Some(1_024));
        assert_eq!(Mode::Asynchronous { push_every: PushEvery::Epoch }.most_partitions(), None);
    }
}
