use std::collections::{BTreeMap, BTreeSet};

use howdah_paramserver::client::ShardMarks;
use howdah_proto::{
    Epoch, Step, Version,
    fence::TrainTask,
    pb::{self, attempt_failed::Kind},
};

/// What a shard holds: instead of weights it counts the steps that were applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Content {
    pub(super) marks: BTreeMap<TrainTask, u64>,
    pub(super) attempts: BTreeMap<TrainTask, u32>,
    pub(super) steps: u64,
    pub(super) retired: u32,
    pub(super) round: u64,
    pub(super) contributions: BTreeMap<u32, u64>,
    pub(super) tags: BTreeSet<u64>,
}

impl Content {
    pub(super) fn marks(&self) -> ShardMarks {
        ShardMarks {
            marks: self.marks.iter().map(|(task, mark)| (*task, Step(*mark))).collect(),
            retired: Epoch(self.retired),
            version: Version(self.round),
        }
    }

    /// Takes the pushes of an attempt up to a step, as a fence does.
    pub(super) fn push(&mut self, task: TrainTask, attempt: u32, to: u64) -> Result<(), Kind> {
        if task.epoch.0 <= self.retired {
            return Ok(());
        }
        let highest = self.attempts.entry(task).or_default();
        if *highest > attempt {
            return Err(Kind::Superseded);
        }
        *highest = attempt;
        let mark = self.marks.entry(task).or_default();
        self.steps += to.saturating_sub(*mark);
        *mark = to.max(*mark);
        Ok(())
    }

    /// Takes a contribution to a round.
    pub(super) fn contribute(&mut self, round: pb::Round, partition: u32, steps: u64) -> Result<(), Kind> {
        if round.round <= self.round {
            return Ok(());
        }
        assert_eq!(round.round, self.round + 1, "a round was left out");
        self.contributions.insert(partition, steps);
        if self.contributions.len() as u32 == round.contributions {
            self.steps += std::mem::take(&mut self.contributions).values().sum::<u64>();
            self.round = round.round;
        }
        Ok(())
    }

    /// What all shards have: the latest cut that could have been planned.
    pub(super) fn common(contents: &[Self]) -> Self {
        let mut common = contents[0].clone();
        common.tags.clear();
        for content in &contents[1..] {
            let has = |task: &TrainTask| content.marks.get(task).copied().unwrap_or(0);
            common.marks.iter_mut().for_each(|(task, mark)| *mark = (*mark).min(has(task)));
        }
        common.marks.retain(|_, mark| *mark > 0);
        let all = |content: &Self| content.marks.values().sum::<u64>();
        common.steps = contents[0].steps - all(&contents[0]) + all(&common);
        common
    }
}
