//! What must be true of every command, told from the events alone.

mod checks;
mod jobs;

use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{AttemptId, JobId, MemberId, StageId, event::FailureKind};

use crate::scheduler::{JobOptions, LostOutput, Millis, Output, StageDescription, tasks::TaskKey};
pub(super) use jobs::{End, Executor, Job, Run, Stage, Task};

#[derive(Default)]
pub(super) struct Model {
    pub(super) executors: BTreeMap<MemberId, Executor>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Jobs that must fail in the answer to the present event, and of what.
    due: BTreeMap<JobId, FailureKind>,
    /// Attempts that must be cancelled in the answer to the present event.
    losers: BTreeSet<AttemptId>,
    now: Millis,
}

impl Model {
    pub(super) fn job_submitted(&mut self, job: JobId, options: JobOptions) {
        self.jobs.insert(job, Job { options, stages: BTreeMap::new(), waiting_since: None, end: None });
    }

    pub(super) fn stage_submitted(&mut self, job: JobId, description: &StageDescription) {
        let kept = description.output == Output::Kept;
        let mut tasks = Vec::new();
        for task in &description.tasks {
            let kept_at = task.kept_at.filter(|at| kept && self.executors.contains_key(at));
            tasks.push(Task::new(task.clone(), kept_at));
        }
        let parents = description.parents.clone();
        let stage = Stage { parents, kept, tasks, fetch_failures: 0, finished: false };
        self.job(job).stages.insert(description.stage, stage);
    }

    pub(super) fn registered(&mut self, id: MemberId, slots: u32) {
        self.lost(id);
        self.executors.insert(id, Executor { slots, ..Executor::default() });
    }

    pub(super) fn lost(&mut self, id: MemberId) {
        let Some(executor) = self.executors.remove(&id) else { return };
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            for stage in self.job(job).stages.keys().copied().collect::<Vec<_>>() {
                for task in 0..self.stage(job, stage).tasks.len() {
                    self.lose_output(job, stage, task, id);
                }
            }
        }
        for attempt in executor.running {
            self.ended(attempt, |task, options, _| {
                task.crashes += u32::from(!executor.draining);
                (task.crashes >= options.task_crashes).then_some(FailureKind::ExecutorLost)
            });
        }
    }

    /// Forgets an output if it is there; whoever runs on it may have noticed.
    fn lose_output(&mut self, job: JobId, id: StageId, task: usize, at: MemberId) -> bool {
        let stage = self.stage(job, id);
        let Some(task) = stage.tasks.get_mut(task).filter(|task| task.done == Some(Some(at))) else {
            return false;
        };
        task.done = None;
        let children = self.job(job).stages.values_mut().filter(|stage| stage.parents.contains(&id));
        for run in children.flat_map(|stage| &mut stage.tasks).flat_map(|task| task.running.values_mut()) {
            run.lost_input = true;
        }
        true
    }

    /// Whether a report is to be believed; if so, the attempt's slot is free.
    pub(super) fn reported(&mut self, attempt: AttemptId, executor: MemberId) -> bool {
        self.executors.get_mut(&executor).is_some_and(|executor| executor.running.remove(&attempt))
    }

    pub(super) fn failed(&mut self, attempt: AttemptId, executor: MemberId, kind: FailureKind) {
        if kind == FailureKind::ExecutorLost {
            self.executors.get_mut(&executor).expect("a believed executor").draining = true;
        }
        self.ended(attempt, |task, options, _| match kind {
            FailureKind::Task | FailureKind::ShardUnavailable | FailureKind::FetchFailed => {
                task.failures += 1;
                (task.failures >= options.task_attempts).then_some(FailureKind::Task)
            }
            FailureKind::Cancelled => {
                task.crashes += 1;
                (task.crashes >= options.task_crashes).then_some(FailureKind::ExecutorLost)
            }
            FailureKind::BadInput => Some(FailureKind::BadInput),
            FailureKind::Superseded | FailureKind::ExecutorLost => None,
        });
    }

    pub(super) fn fetch_failed(&mut self, attempt: AttemptId, lost: &[LostOutput]) {
        if self.job(attempt.job).end.is_some() || !self.runs(attempt) {
            return;
        }
        let had_all_input = self.job(attempt.job).has_all_input(attempt.stage);
        let parents = self.stage(attempt.job, attempt.stage).parents.clone();
        let mut reopened = false;
        for output in lost.iter().filter(|output| parents.contains(&output.stage)) {
            reopened |= self.lose_output(attempt.job, output.stage, output.task.0 as usize, output.at);
        }
        if reopened && had_all_input {
            let most = self.job(attempt.job).options.stage_attempts;
            let stage = self.stage(attempt.job, attempt.stage);
            stage.fetch_failures += 1;
            if stage.fetch_failures >= most {
                self.due.insert(attempt.job, FailureKind::FetchFailed);
            }
        }
        self.ended(attempt, |task, options, run| {
            let own = !reopened && had_all_input && !run.lost_input;
            task.failures += u32::from(own);
            (own && task.failures >= options.task_attempts).then_some(FailureKind::Task)
        });
    }

    pub(super) fn cancelled(&mut self, job: JobId) {
        if self.jobs.get(&job).is_some_and(|job| job.end.is_none()) {
            self.due.insert(job, FailureKind::Cancelled);
        }
    }

    fn ended(
        &mut self,
        attempt: AttemptId,
        count: impl FnOnce(&mut Task, &JobOptions, Run) -> Option<FailureKind>,
    ) {
        let job = self.job(attempt.job);
        if job.end.is_some() {
            return;
        }
        let options = job.options.clone();
        let task = self.task(attempt.into());
        let Some(run) = task.running.remove(&attempt.attempt) else { return };
        if let Some(cause) = count(task, &options, run) {
            self.due.insert(attempt.job, cause);
        }
    }

    pub(super) fn runs(&mut self, attempt: AttemptId) -> bool {
        self.task(attempt.into()).running.contains_key(&attempt.attempt)
    }

    pub(super) fn is_complete(&mut self, job: JobId) -> bool {
        let job = self.job(job);
        job.end.is_none() && job.stages.values().all(|stage| stage.kept || stage.is_complete())
    }

    /// Counts the executors that take tasks when nothing excludes them.
    pub(super) fn accepting(&self) -> usize {
        self.executors.values().filter(|executor| executor.accepts()).count()
    }

    pub(super) fn job(&mut self, job: JobId) -> &mut Job {
        self.jobs.get_mut(&job).expect("a known job")
    }

    pub(super) fn stage(&mut self, job: JobId, stage: StageId) -> &mut Stage {
        self.job(job).stages.get_mut(&stage).expect("a known stage")
    }

    fn task(&mut self, key: TaskKey) -> &mut Task {
        &mut self.stage(key.job, key.stage).tasks[key.task.0 as usize]
    }
}
