use std::collections::BTreeMap;

use howdah_proto::{Epoch, Partition, Round, event::StageKind, fence::RoundPart, settings::Course};

use super::{JobCommand, Position, StageTask, TrainJob};
use crate::scheduler::Millis;

/// What a partition contributes to a round: these steps of its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoundTask {
    pub(super) partition: Partition,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// The round that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunningRound {
    pub(super) part: RoundPart,
    pub(super) tasks: Vec<RoundTask>,
    /// How many contributions the shards have.
    pub(super) done: u32,
}

/// How many rounds an epoch has whose partitions have so many steps.
pub(super) fn rounds_of(steps: &BTreeMap<Partition, u64>, each: u64) -> u64 {
    steps.values().max().map_or(0, |most| most.div_ceil(each.max(1)))
}

/// What the partitions contribute to a round of an epoch, counted from 1, in which each takes up to `each` steps.
pub(super) fn parts(steps: &BTreeMap<Partition, u64>, each: u64, round: u64) -> Vec<RoundTask> {
    let before = (round.max(1) - 1).saturating_mul(each);
    let task = |(partition, steps): (&Partition, &u64)| RoundTask {
        partition: *partition,
        first: before + 1,
        last: before.saturating_add(each).min(*steps),
    };
    steps.iter().filter(|(_, steps)| **steps > before).map(task).collect()
}

/// How many of a round's contributions complete it.
pub(super) fn needed(tasks: usize, backups: u32) -> u32 {
    (tasks as u32).saturating_sub(backups).max(1)
}

impl TrainJob {
    /// Begins the next round, or ends the epoch after the last one.
    pub(super) fn next_round(&mut self, now: Millis) -> Vec<JobCommand> {
        let Course::Rounds { steps: each, backups } = self.settings.mode.course() else { return Vec::new() };
        let steps = self.train_steps();
        let (epoch, done) = (self.position.epoch, self.rounds_done());
        let tasks = parts(&steps, each, done + 1);
        if tasks.is_empty() {
            let mut commands = vec![JobCommand::RoundsDone(epoch)];
            commands.extend(self.close_epoch(now));
            return commands;
        }
        let contributions = needed(tasks.len(), backups);
        let part = RoundPart { round: Round(self.position.round.0 + 1), contributions };
        let task = |task: &RoundTask| StageTask { partition: task.partition, prefers: Some(self.block) };
        let command = JobCommand::Round { epoch, tasks: tasks.iter().map(task).collect() };
        self.round = Some(RunningRound { part, tasks, done: 0 });
        vec![command]
    }

    /// The rounds of the present epoch that are complete.
    pub(super) fn rounds_done(&self) -> u64 {
        let Position { epoch, round } = self.position;
        round.0.saturating_sub(u64::from(epoch.0.saturating_sub(1)) * self.rounds_per_epoch())
    }

    pub(super) fn rounds_per_epoch(&self) -> u64 {
        match self.settings.mode.course() {
            Course::Rounds { steps, .. } => rounds_of(&self.train_steps(), steps),
            Course::Stream { .. } => 0,
        }
    }

    /// How many steps of the present epoch are in complete rounds, and of how many.
    pub fn round_progress(&self) -> (u64, u64) {
        let Course::Rounds { steps: each, .. } = self.settings.mode.course() else { return (0, 0) };
        let (taken, steps) = (self.rounds_done().saturating_mul(each), self.train_steps());
        (steps.values().map(|steps| taken.min(*steps)).sum(), steps.values().sum())
    }

    /// A contribution is at the shards: with enough of them the round is cut short.
    pub(super) fn contributed(&mut self, epoch: Epoch, now: Millis) -> Vec<JobCommand> {
        let Some(round) = &mut self.round else { return Vec::new() };
        round.done += 1;
        if round.done < round.part.contributions || round.done as usize == round.tasks.len() {
            return Vec::new();
        }
        let mut commands = vec![JobCommand::DropStage(StageKind::Train { epoch })];
        commands.extend(self.round_complete(now));
        commands
    }

    /// Every shard has completed the round.
    pub(super) fn round_complete(&mut self, now: Millis) -> Vec<JobCommand> {
        let Some(round) = self.round.take() else { return Vec::new() };
        self.position.round = round.part.round;
        let goes_on = self.rounds_done() < self.rounds_per_epoch();
        if goes_on && self.saves_between_rounds(now) {
            self.save_then_go_on(now)
        } else {
            self.next_round(now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(steps: &[u64]) -> BTreeMap<Partition, u64> {
        (0..).map(Partition).zip(steps.iter().copied()).collect()
    }

    #[test]
    fn every_step_is_in_exactly_one_round() {
        for each in [1, 2, 3, 32] {
            let steps = steps(&[7, 5, 0, 1]);
            let mut taken: Vec<(u32, u64)> = Vec::new();
            for round in 1..=rounds_of(&steps, each) {
                let parts = parts(&steps, each, round);
                assert!(!parts.is_empty());
                let each = |part: &RoundTask| {
                    (part.first..=part.last).map(|step| (part.partition.0, step)).collect::<Vec<_>>()
                };
                taken.extend(parts.iter().flat_map(each));
            }
            taken.sort_unstable();
            let all =
                steps.iter().flat_map(|(partition, steps)| (1..=*steps).map(|step| (partition.0, step)));
            assert_eq!(taken, all.collect::<Vec<_>>(), "{each}");
            assert_eq!(parts(&steps, each, rounds_of(&steps, each) + 1), []);
        }
    }

    #[test]
    fn a_round_needs_all_contributions_but_the_backups_and_at_least_one() {
        assert_eq!([needed(4, 0), needed(4, 1), needed(1, 3)], [4, 3, 1]);
    }
}
