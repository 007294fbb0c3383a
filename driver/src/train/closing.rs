//! The end of an epoch: every shard must have every step of it before its weights are kept and evaluated.

use std::{collections::BTreeMap, time::Duration};

use howdah_paramserver::client::ShardMarks;
use howdah_proto::{Epoch, Partition, Step, event::StageKind, fence::TrainTask};

use super::{Collected, JobCommand, PartitionUse, TrainJob, job::Phase, training::tag_of};
use crate::scheduler::Millis;

/// A question to all shards, unique in its job; an answer to another one comes too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What all shards are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Which steps they have.
    Marks,
    /// To keep the weights as they are now under this tag.
    Tag(u64),
    /// For the weights under a tag and what the shards have counted.
    Collect {
        /// The tag.
        tag: u64,
        /// Whether the weights count batches.
        counting: bool,
    },
}

/// What all shards answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Which steps each has.
    Marks(Vec<ShardMarks>),
    /// The weights are kept.
    Tagged,
    /// What they have counted.
    Collected(Collected),
}

/// A question that is not answered.
#[derive(Debug)]
pub(super) struct Asked {
    ticket: Ticket,
    question: Question,
    under_way: bool,
    failures: u32,
    retry_at: Option<Millis>,
}

/// How often shards that are all there are asked before the job gives up.
const MOST_FAILURES: u32 = 12;

/// The longest is 8 s: together they outlast a network that is down for a minute.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(500).saturating_mul(1 << failures.saturating_sub(1).min(4))
}

impl TrainJob {
    /// Ends the epoch that all tasks are through with.
    pub(super) fn close_epoch(&mut self, now: Millis) -> Vec<JobCommand> {
        let epoch = self.position.epoch;
        let is_wanted = self.is_last(epoch) || self.best_epoch() == Some(epoch);
        if self.epochs.is_reported(epoch) && !is_wanted {
            // It was closed before, and was computed again because the shards had gone back.
            return self.begin_epoch(Epoch(epoch.0 + 1), now);
        }
        if self.settings.mode.in_rounds() {
            self.trained(epoch, now);
        }
        self.close_again(now)
    }

    fn trained(&mut self, epoch: Epoch, now: Millis) {
        self.epochs.trained(epoch, now);
        self.tally.train_ended = Some(now);
    }

    /// Asks all shards, as soon as all are there. It takes the place of what was being asked.
    pub(super) fn ask(&mut self, question: Question, now: Millis) -> Vec<JobCommand> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.asked = Some(Asked { ticket, question, under_way: false, failures: 0, retry_at: None });
        self.ask_again(now)
    }

    /// When [`Self::ask_again`] should be called next.
    pub(super) fn asks_at(&self) -> Option<Millis> {
        let ready = self.shards.as_ref().is_some_and(|shards| shards.all_ready());
        let asked = self.asked.as_ref().filter(|asked| ready && !asked.under_way)?;
        asked.retry_at
    }

    /// Asks what waits to be asked, if it can be.
    pub(super) fn ask_again(&mut self, now: Millis) -> Vec<JobCommand> {
        let Some(shards) = self.shards.as_ref().filter(|shards| shards.all_ready()) else {
            return Vec::new();
        };
        let first = self.first_question();
        let Some(asked) = &mut self.asked else { return Vec::new() };
        let saving = matches!(asked.question, Question::Collect { .. }) && self.saves.is_taking();
        if asked.under_way || saving || asked.retry_at.is_some_and(|at| at > now) {
            return Vec::new();
        }
        if asked.question == first {
            self.whole_at = shards.changes();
        } else if self.whole_at != shards.changes() {
            // A shard was lost or moved since it was known to have everything: begin with that.
            asked.question = first;
            self.whole_at = shards.changes();
        }
        (asked.under_way, asked.retry_at) = (true, None);
        vec![JobCommand::Ask(asked.ticket, asked.question.clone())]
    }

    /// All shards have answered, or one could not be asked.
    pub fn on_answer(
        &mut self,
        ticket: Ticket,
        answer: Result<Answer, String>,
        now: Millis,
    ) -> Vec<JobCommand> {
        let Some(mut asked) = self.asked.take_if(|asked| asked.ticket == ticket && asked.under_way) else {
            return Vec::new();
        };
        let (changes, ready) =
            self.shards.as_ref().map_or((0, false), |shards| (shards.changes(), shards.all_ready()));
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                asked.under_way = false;
                asked.failures += u32::from(ready);
                asked.retry_at = Some(now.after(pause(asked.failures)));
                let failures = asked.failures;
                self.asked = Some(asked);
                if failures >= MOST_FAILURES {
                    return self.fail(format!("the shards can't be asked: {error}"), None);
                }
                return Vec::new();
            }
        };
        if self.whole_at != changes {
            // A shard was lost or moved meanwhile: begin with what must be true first.
            return self.close_again(now);
        }
        match answer {
            Answer::Marks(marks) => self.marked(&marks, now),
            Answer::Tagged => self.tagged(now),
            Answer::Collected(collected) => self.collected(collected, now),
        }
    }

    /// Makes sure once more that the shards have everything, after one of them may have lost something.
    pub(super) fn close_again(&mut self, now: Millis) -> Vec<JobCommand> {
        self.ask(self.first_question(), now)
    }

    /// What shards are asked first at the end of an epoch: in rounds all are known to have everything.
    fn first_question(&self) -> Question {
        if self.settings.mode.in_rounds() {
            Question::Tag(tag_of(self.position.epoch))
        } else {
            Question::Marks
        }
    }

    /// The shards say which steps they have: what is missing is computed again, for those that lack it.
    fn marked(&mut self, marks: &[ShardMarks], now: Millis) -> Vec<JobCommand> {
        let epoch = self.position.epoch;
        let missing = missing(marks, &self.train_steps(), epoch);
        if missing.is_empty() {
            self.trained(epoch, now);
            return self.ask(Question::Tag(tag_of(epoch)), now);
        }
        let tasks = self.tasks_of(PartitionUse::Train);
        let mut commands = Vec::new();
        for (epoch, partitions) in missing {
            let tasks = tasks.iter().filter(|task| partitions.contains(&task.partition)).copied().collect();
            commands.push(self.stream(epoch, tasks));
        }
        commands
    }

    /// A shard was made anew after the present epoch had ended and before the next began: it ends again, with what that
    /// shard lacks.
    pub(super) fn reopen(&mut self, now: Millis) -> Vec<JobCommand> {
        let mut commands = Vec::new();
        let epoch = self.position.epoch;
        self.closed = false;
        // It is kept anew, whichever other shards are lost until then.
        self.kept.last = Epoch(epoch.0.saturating_sub(1));
        self.epochs.evaluate_again(epoch);
        if self.evaluating.remove(&epoch) {
            commands.push(JobCommand::DropStage(StageKind::Evaluate { epoch }));
        }
        self.phase = Phase::Training;
        commands.extend(self.close_again(now));
        commands
    }
}

/// The tasks of epochs up to `epoch` of which a shard lacks steps. `steps` tells how many each partition has.
fn missing(
    marks: &[ShardMarks],
    steps: &BTreeMap<Partition, u64>,
    epoch: Epoch,
) -> BTreeMap<Epoch, Vec<Partition>> {
    let mut missing = BTreeMap::new();
    let retired = marks.iter().map(|shard| shard.retired).min().unwrap_or_default();
    for epoch in (retired.0 + 1..=epoch.0).map(Epoch) {
        let lacks = |partition: Partition, steps: u64| {
            let task = TrainTask { epoch, partition };
            let has = |shard: &ShardMarks| {
                shard.retired >= epoch || shard.marks.get(&task).is_some_and(|mark| *mark >= Step(steps))
            };
            !marks.iter().all(has)
        };
        let lacking: Vec<Partition> = steps
            .iter()
            .filter(|(partition, steps)| lacks(**partition, **steps))
            .map(|(partition, _)| *partition)
            .collect();
        if !lacking.is_empty() {
            missing.insert(epoch, lacking);
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(retired: u32, marks: &[(u32, u32, u64)]) -> ShardMarks {
        let mark = |(epoch, partition, step): &(u32, u32, u64)| {
            let task = TrainTask { epoch: Epoch(*epoch), partition: Partition(*partition) };
            (task, Step(*step))
        };
        ShardMarks {
            marks: marks.iter().map(mark).collect(),
            retired: Epoch(retired),
            ..ShardMarks::default()
        }
    }

    fn lacking(shards: &[ShardMarks], epoch: u32) -> Vec<(u32, Vec<u32>)> {
        let steps = BTreeMap::from([(Partition(0), 4), (Partition(1), 3)]);
        let numbers = |partitions: Vec<Partition>| partitions.iter().map(|partition| partition.0).collect();
        let missing = missing(shards, &steps, Epoch(epoch));
        missing.into_iter().map(|(epoch, partitions)| (epoch.0, numbers(partitions))).collect()
    }

    #[test]
    fn a_task_is_missing_if_any_shard_lacks_a_step_of_it() {
        let whole = shard(0, &[(1, 0, 4), (1, 1, 3)]);
        assert_eq!(lacking(&[whole.clone(), whole.clone()], 1), []);
        assert_eq!(lacking(&[whole.clone(), shard(0, &[(1, 0, 3), (1, 1, 3)])], 1), [(1, vec![0])]);
        assert_eq!(lacking(&[shard(0, &[(1, 0, 4)]), whole], 1), [(1, vec![1])]);
    }

    #[test]
    fn earlier_epochs_are_looked_at_until_they_are_retired() {
        let second = [(2, 0, 4), (2, 1, 3)];
        assert_eq!(lacking(&[shard(1, &second)], 2), []);
        assert_eq!(lacking(&[shard(0, &second)], 2), [(1, vec![0, 1])]);
        assert_eq!(lacking(&[shard(1, &second), shard(0, &second)], 2), [(1, vec![0, 1])]);
        assert_eq!(lacking(&[shard(1, &[])], 2), [(2, vec![0, 1])]);
    }
}
