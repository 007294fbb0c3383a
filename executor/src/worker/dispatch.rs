use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use howdah_proto::{AttemptId, JobId, pb, pb::attempt_failed::Kind};

use crate::task::{CancelFlag, JobContext, Task};

/// Which slot runs which attempt: a pure state machine.
#[derive(Debug)]
pub(super) struct Dispatch {
    jobs: HashMap<JobId, Arc<JobContext>>,
    running: HashMap<AttemptId, CancelFlag>,
    waiting: VecDeque<Task>,
    idle: Vec<usize>,
    slots: usize,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Action {
    /// Run an attempt in a slot.
    Run { slot: usize, task: Box<Task>, job: Arc<JobContext>, cancel: CancelFlag },
    /// Let a slot drop what it keeps for a job.
    Forget { slot: usize, job: JobId },
    /// Tell the driver.
    Report(pb::TaskUpdate),
}

impl Dispatch {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            jobs: HashMap::new(),
            running: HashMap::new(),
            waiting: VecDeque::new(),
            idle: (0..slots).rev().collect(),
            slots,
        }
    }

    pub(super) fn on_job(&mut self, job: JobContext) -> Vec<Action> {
        self.jobs.insert(job.job, Arc::new(job));
        Vec::new()
    }

    pub(super) fn on_launch(&mut self, task: Task) -> Vec<Action> {
        self.waiting.push_back(task);
        self.fill()
    }

    pub(super) fn on_cancel(&mut self, attempt: AttemptId) -> Vec<Action> {
        if let Some(cancel) = self.running.get(&attempt) {
            cancel.set();
            return Vec::new();
        }
        let waiting = self.waiting.len();
        self.waiting.retain(|task| task.attempt != attempt);
        if self.waiting.len() == waiting {
            return Vec::new();
        }
        vec![failed(attempt, Kind::Cancelled, "cancelled before it began")]
    }

    pub(super) fn on_drop_job(&mut self, job: JobId) -> Vec<Action> {
        self.jobs.remove(&job);
        self.waiting.retain(|task| task.attempt.job != job);
        for (_, cancel) in self.running.iter().filter(|(attempt, _)| attempt.job == job) {
            cancel.set();
        }
        (0..self.slots).map(|slot| Action::Forget { slot, job }).collect()
    }

    pub(super) fn on_session_end(&mut self) -> Vec<Action> {
        self.waiting.clear();
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        jobs.into_iter().flat_map(|job| self.on_drop_job(job)).collect()
    }

    pub(super) fn on_ended(&mut self, slot: usize, attempt: AttemptId) -> Vec<Action> {
        self.running.remove(&attempt);
        self.idle.push(slot);
        self.fill()
    }

    fn fill(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while !self.idle.is_empty() {
            let Some(task) = self.waiting.pop_front() else { break };
            let Some(job) = self.jobs.get(&task.attempt.job).cloned() else {
                actions.push(failed(task.attempt, Kind::Task, "the executor has not been told of the job"));
                continue;
            };
            let Some(slot) = self.idle.pop() else { break };
            let cancel = CancelFlag::default();
            self.running.insert(task.attempt, cancel.clone());
            actions.push(Action::Run { slot, task: Box::new(task), job, cancel });
        }
        actions
    }
}

fn failed(attempt: AttemptId, kind: Kind, message: &str) -> Action {
    let failed =
        pb::AttemptFailed { attempt: Some(attempt.into()), kind: kind.into(), message: message.to_owned() };
    Action::Report(pb::TaskUpdate { update: Some(pb::task_update::Update::Failed(failed)) })
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Attempt, NodeId, Partition, StageId, TaskIndex, lineage::Lineage};

    use super::*;
    use crate::task::Work;

    fn dispatch(slots: usize) -> Dispatch {
        let mut dispatch = Dispatch::new(slots);
        dispatch.on_job(JobContext { job: JobId(1), lineage: Arc::new(Lineage::new()), train: None });
        dispatch
    }

    fn task(job: u64, index: u32) -> Task {
        let attempt =
            AttemptId { job: JobId(job), stage: StageId(1), task: TaskIndex(index), attempt: Attempt(1) };
        let work = Work::Compute { node: NodeId(0) };
        Task { attempt, partition: Partition(index), files: vec![], places: vec![], work }
    }

    fn runs(actions: &[Action]) -> Vec<(usize, u32)> {
        let run = |action: &Action| match action {
            Action::Run { slot, task, .. } => Some((*slot, task.partition.0)),
            _ => None,
        };
        actions.iter().filter_map(run).collect()
    }

    #[test]
    fn an_attempt_waits_for_a_free_slot() {
        let mut dispatch = dispatch(1);
        assert_eq!(runs(&dispatch.on_launch(task(1, 0))), [(0, 0)]);
        assert_eq!(runs(&dispatch.on_launch(task(1, 1))), []);
        assert_eq!(runs(&dispatch.on_ended(0, task(1, 0).attempt)), [(0, 1)]);
        assert_eq!(runs(&dispatch.on_ended(0, task(1, 1).attempt)), []);
    }

    #[test]
    fn a_task_of_an_unknown_job_fails_and_takes_no_slot() {
        let mut dispatch = dispatch(1);
        assert!(matches!(dispatch.on_launch(task(9, 0))[..], [Action::Report(_)]));
        assert_eq!(runs(&dispatch.on_launch(task(1, 1))), [(0, 1)]);
    }

    #[test]
    fn cancelling_reaches_running_and_waiting_attempts() {
        let mut dispatch = dispatch(1);
        let started = dispatch.on_launch(task(1, 0));
        let [Action::Run { cancel, .. }] = &started[..] else { panic!("it did not start") };
        dispatch.on_launch(task(1, 1));
        assert!(matches!(dispatch.on_cancel(task(1, 1).attempt)[..], [Action::Report(_)]));
        assert!(cancel.check().is_ok());
        assert!(dispatch.on_cancel(task(1, 0).attempt).is_empty());
        assert!(cancel.check().is_err());
        assert!(dispatch.on_ended(0, task(1, 0).attempt).is_empty());
    }

    #[test]
    fn the_end_of_a_session_cancels_everything() {
        let mut dispatch = dispatch(2);
        dispatch.on_launch(task(1, 0));
        let forgets = dispatch.on_session_end();
        assert_eq!(forgets.len(), 2);
        dispatch.on_ended(1, task(1, 0).attempt);
        assert!(matches!(dispatch.on_launch(task(1, 1))[..], [Action::Report(_)]));
    }
}
