//! What executors report, and what goes wrong with them.

use std::time::Duration;

use howdah_proto::{
    Attempt, AttemptId, BlockId, ContextId, JobId, MemberId, NodeId, Partition, StageId, TaskIndex,
};
use rand::{Rng, seq::IteratorRandom};

use super::{
    happenings::{Happening, KINDS, Outcome},
    model::End,
    world::{World, context_of},
};
use crate::scheduler::{Command, LostOutput};

const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);

impl World {
    pub(super) fn report(&mut self, id: MemberId, attempt: AttemptId, outcome: Outcome) {
        if self.model.executors.get(&id).is_some_and(|executor| executor.hung) {
            // What a hung executor did comes to light after it was given up.
            self.plan(3_000..4_000, Happening::Report(id, attempt, outcome));
            return;
        }
        if outcome == Outcome::Death {
            if self.model.executors.get(&id).is_some_and(|executor| executor.running.contains(&attempt)) {
                self.lose(id);
            }
            return;
        }
        let believed = self.model.reported(attempt, id);
        let commands = if let Outcome::NoFetch { true_name } = outcome {
            let lost = self.draw_lost(attempt, true_name);
            if believed {
                self.model.fetch_failed(attempt, &lost);
            }
            self.scheduler.on_fetch_failed(attempt, id, &lost, "no such output", self.now)
        } else if let Outcome::Failure(kind) = outcome {
            let kind = KINDS[usize::from(kind)];
            if believed {
                self.model.failed(attempt, id, kind);
            }
            self.scheduler.on_attempt_failed(attempt, id, kind, "it broke", self.now)
        } else {
            let node = NodeId(u32::try_from(attempt.stage.0).unwrap_or_default());
            let block =
                BlockId { context: context_of(attempt.job), node, partition: Partition(attempt.task.0) };
            self.scheduler.on_attempt_succeeded(attempt, id, &[block], self.now)
        };
        let ignored = matches!(commands[..], [Command::Ignored { .. }]);
        assert_eq!(ignored, !believed, "{attempt} on {id}: {outcome:?}");
        self.answer(commands);
        self.finish_complete_jobs();
    }

    /// Draws what an attempt says that it could not fetch: where an output is now, or nonsense.
    fn draw_lost(&mut self, attempt: AttemptId, true_name: bool) -> Vec<LostOutput> {
        let job = self.model.job(attempt.job);
        let parents = job.stages[&attempt.stage].parents.iter();
        let tasks =
            parents.flat_map(|stage| (0..).zip(&job.stages[stage].tasks).map(move |task| (*stage, task)));
        let kept = tasks.filter_map(|(stage, (task, content))| {
            Some(LostOutput { stage, task: TaskIndex(task), at: content.done.flatten()? })
        });
        let Some(output) = kept.choose(&mut self.random) else { return Vec::new() };
        if true_name {
            return vec![output, output];
        }
        vec![
            LostOutput { at: MemberId(output.at.0 + 1_000), ..output },
            LostOutput { task: TaskIndex(1_000), ..output },
            LostOutput { stage: StageId(1_000), ..output },
            LostOutput { stage: attempt.stage, ..output },
        ]
    }

    pub(super) fn finish_complete_jobs(&mut self) {
        let jobs: Vec<JobId> = self.model.jobs.keys().copied().collect();
        for job in jobs {
            if self.model.is_complete(job) {
                self.model.job(job).end = Some(End::Finished);
                let commands = self.scheduler.on_job_finished(job, self.now);
                self.answer(commands);
            }
        }
    }

    pub(super) fn mischief(&mut self) {
        let Some(id) = self.model.executors.keys().copied().choose(&mut self.random) else { return };
        let some_attempt = self.model.executors.values().flat_map(|executor| &executor.running);
        let some_attempt = some_attempt.copied().choose(&mut self.random);
        match self.random.random_range(0..7) {
            0 => self.lose(id),
            1 => self.join(id),
            2 => {
                self.model.executors.entry(id).and_modify(|executor| executor.hung = true);
                let noticed = u64::try_from(HEARTBEAT_TIMEOUT.as_millis()).unwrap_or_default();
                self.plan(noticed..noticed + 1, Happening::Lost(id));
            }
            3 => {
                self.model.executors.entry(id).and_modify(|executor| executor.draining = true);
                let commands = self.scheduler.on_executor_draining(id, self.now);
                self.answer(commands);
                self.plan(0..2_000, Happening::Lost(id));
            }
            4 => {
                let blocks = [BlockId { context: ContextId(1), node: NodeId(1), partition: Partition(0) }];
                let commands = self.scheduler.on_blocks_dropped(id, &blocks, self.now);
                self.answer(commands);
            }
            // A lie about an attempt that may run elsewhere, and one about an attempt that never was.
            5 => {
                // A believed lie would make a flawed job finish.
                if let Some(attempt) = some_attempt.filter(|attempt| !self.is_flawed(*attempt)) {
                    self.report(id, attempt, Outcome::Success);
                    self.report(id, attempt, Outcome::Success);
                }
            }
            _ => {
                if let Some(attempt) = some_attempt {
                    let never = AttemptId { attempt: Attempt(attempt.attempt.0 + 1), ..attempt };
                    self.report(id, never, Outcome::Failure(5));
                }
            }
        }
    }
}
