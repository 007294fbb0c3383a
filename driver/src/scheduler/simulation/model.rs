//! What must be true of every command, told from the events alone.

use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{Attempt, AttemptId, JobId, MemberId, StageId, event::FailureKind};

use crate::scheduler::{Command, JobError, JobOptions, Millis, TaskDescription, stages::TaskKey};

#[derive(Default)]
pub(super) struct Model {
    pub(super) executors: BTreeMap<MemberId, Executor>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Jobs that must fail in the answer to the present event, and of what.
    due: BTreeMap<JobId, FailureKind>,
    now: Millis,
}

pub(super) struct Executor {
    pub(super) slots: u32,
    pub(super) draining: bool,
    pub(super) hung: bool,
    pub(super) running: BTreeSet<AttemptId>,
}

pub(super) struct Job {
    options: JobOptions,
    stages: BTreeMap<StageId, Stage>,
    waiting_since: Option<Millis>,
    pub(super) end: Option<End>,
}

#[derive(Debug)]
pub(super) enum End {
    Finished,
    Failed(JobError),
}

struct Stage {
    parents: Vec<StageId>,
    finished: bool,
    tasks: Vec<Task>,
}

struct Task {
    description: TaskDescription,
    latest: u32,
    running: bool,
    done: bool,
    failures: u32,
    crashes: u32,
}

impl Model {
    pub(super) fn job_submitted(&mut self, job: JobId, options: JobOptions) {
        self.jobs.insert(job, Job { options, stages: BTreeMap::new(), waiting_since: None, end: None });
    }

    pub(super) fn stage_submitted(
        &mut self,
        job: JobId,
        stage: StageId,
        parents: Vec<StageId>,
        tasks: &[TaskDescription],
    ) {
        let task = |description: &TaskDescription| Task {
            description: *description,
            latest: 0,
            running: false,
            done: false,
            failures: 0,
            crashes: 0,
        };
        let tasks = tasks.iter().map(task).collect();
        self.job(job).stages.insert(stage, Stage { parents, finished: false, tasks });
    }

    pub(super) fn registered(&mut self, id: MemberId, slots: u32) {
        self.lost(id);
        let executor = Executor { slots, draining: false, hung: false, running: BTreeSet::new() };
        self.executors.insert(id, executor);
    }

    pub(super) fn lost(&mut self, id: MemberId) {
        let Some(executor) = self.executors.remove(&id) else { return };
        for attempt in executor.running {
            self.ended(attempt, |task, options| {
                task.crashes += u32::from(!executor.draining);
                (task.crashes >= options.task_crashes).then_some(FailureKind::ExecutorLost)
            });
        }
    }

    /// Whether a report is to be believed; if so, the attempt's slot is free.
    pub(super) fn reported(&mut self, attempt: AttemptId, executor: MemberId) -> bool {
        self.executors.get_mut(&executor).is_some_and(|executor| executor.running.remove(&attempt))
    }

    pub(super) fn failed(&mut self, attempt: AttemptId, executor: MemberId, kind: FailureKind) {
        if kind == FailureKind::ExecutorLost {
            self.executors.get_mut(&executor).expect("a believed executor").draining = true;
        }
        self.ended(attempt, |task, options| match kind {
            FailureKind::Task | FailureKind::ShardUnavailable => {
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

    pub(super) fn cancelled(&mut self, job: JobId) {
        if self.job(job).end.is_none() {
            self.due.insert(job, FailureKind::Cancelled);
        }
    }

    fn ended(
        &mut self,
        attempt: AttemptId,
        count: impl FnOnce(&mut Task, JobOptions) -> Option<FailureKind>,
    ) {
        let job = self.job(attempt.job);
        if job.end.is_some() {
            return;
        }
        let options = job.options;
        let task = self.task(attempt.into());
        task.running = false;
        if let Some(cause) = count(task, options) {
            self.due.insert(attempt.job, cause);
        }
    }

    /// Checks the answer to an event.
    pub(super) fn check(&mut self, commands: &[Command], now: Millis) {
        self.now = now;
        for command in commands {
            self.check_command(command);
        }
        assert!(self.due.is_empty(), "these jobs must fail: {:?}", self.due);
        for executor in self.executors.values() {
            assert!(executor.running.len() <= executor.slots as usize, "a slot is used twice");
        }
        assert!(!(self.has_free_slot() && self.has_task_for_any_slot()), "a slot is idle while a task waits");
    }

    fn has_free_slot(&self) -> bool {
        let free = |executor: &Executor| executor.running.len() < executor.slots as usize;
        self.executors.values().any(|executor| !executor.draining && free(executor))
    }

    /// Whether there is a task that needs to wait for nothing: no block, no retry, no parent.
    fn has_task_for_any_slot(&self) -> bool {
        let free = |task: &Task| {
            task.description.prefers.is_none() && task.failures == 0 && !task.running && !task.done
        };
        self.jobs.values().filter(|job| job.end.is_none()).any(|job| {
            let ready = |stage: &&Stage| stage.parents.iter().all(|parent| job.stages[parent].finished);
            job.stages.values().filter(ready).any(|stage| stage.tasks.iter().any(free))
        })
    }

    fn check_command(&mut self, command: &Command) {
        match command {
            Command::Launch { executor, attempt, partition } => {
                let host = self.executors.get_mut(executor).expect("launched on a lost executor");
                assert!(!host.draining, "launched on a draining executor");
                assert!(host.running.insert(*attempt));
                let job = self.job(attempt.job);
                assert!(job.end.is_none() && job.waiting_since.is_none());
                let parents = job.stages[&attempt.stage].parents.clone();
                assert!(
                    parents.iter().all(|parent| job.stages[parent].finished),
                    "launched before its parents"
                );
                let task = self.task((*attempt).into());
                assert_eq!(attempt.attempt, Attempt(task.latest + 1));
                assert_eq!(*partition, task.description.partition);
                assert!(!task.running && !task.done, "{attempt} is launched beside or after another");
                task.latest += 1;
                task.running = true;
            }
            Command::TaskDone { attempt, .. } => {
                let task = self.task((*attempt).into());
                assert!(task.running && !task.done && attempt.attempt.0 == task.latest);
                (task.running, task.done) = (false, true);
            }
            Command::StageFinished { job, stage } => {
                let stage = self.job(*job).stages.get_mut(stage).expect("a known stage");
                assert!(!stage.finished && stage.tasks.iter().all(|task| task.done));
                stage.finished = true;
            }
            Command::JobFailed { job, error } => self.check_failure(*job, error),
            Command::Cancel { executor, attempt, .. } => {
                assert!(self.executors[executor].running.contains(attempt));
            }
            Command::Waiting { job, .. } => {
                assert_eq!(self.accepting(), 0);
                let since = self.now;
                assert_eq!(self.job(*job).waiting_since.replace(since), None);
            }
            Command::GoesOn { job } => {
                assert!(self.accepting() > 0);
                assert!(self.job(*job).waiting_since.take().is_some());
            }
            Command::Retrying { attempt, .. } => assert!(!self.task((*attempt).into()).running),
            Command::StageStarted { .. } | Command::Ignored { .. } => {}
        }
    }

    fn check_failure(&mut self, id: JobId, error: &JobError) {
        let (due, now) = (self.due.remove(&id), self.now);
        let job = self.job(id);
        let right = match error {
            JobError::TaskFailed { failures, .. } => {
                due == Some(FailureKind::Task) && *failures == job.options.task_attempts
            }
            JobError::TaskCrashed { crashes, .. } => {
                due == Some(FailureKind::ExecutorLost) && *crashes == job.options.task_crashes
            }
            JobError::BadInput(_) => due == Some(FailureKind::BadInput),
            JobError::Cancelled { .. } => due == Some(FailureKind::Cancelled),
            JobError::NoExecutor { waited, .. } => {
                let since = job.waiting_since.expect("it waited");
                Some(*waited) >= job.options.executor_wait && *waited == now.since(since)
            }
            JobError::UnknownParent { .. } | JobError::StageTwice { .. } => false,
        };
        assert!(right, "{error} is not why job {id} should fail: {due:?}");
        assert!(job.end.replace(End::Failed(error.clone())).is_none());
    }

    pub(super) fn is_complete(&mut self, job: JobId) -> bool {
        let job = self.job(job);
        job.end.is_none() && job.stages.values().all(|stage| stage.finished)
    }

    pub(super) fn accepting(&self) -> usize {
        self.executors.values().filter(|executor| !executor.draining && executor.slots > 0).count()
    }

    pub(super) fn job(&mut self, job: JobId) -> &mut Job {
        self.jobs.get_mut(&job).expect("a known job")
    }

    fn task(&mut self, key: TaskKey) -> &mut Task {
        let stage = self.job(key.job).stages.get_mut(&key.stage).expect("a known stage");
        &mut stage.tasks[key.task.0 as usize]
    }
}
