use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use howdah_paramserver::client::ParametersError;
use howdah_proto::{AttemptId, ContextId, JobId, WireError, pb, pb::attempt_failed::Kind};

use crate::task::{CancelFlag, ContextView, JobContext, Shared, Task, Work};

/// Which slot runs which attempt: a pure state machine.
#[derive(Debug)]
pub(super) struct Dispatch {
    jobs: HashMap<JobId, Arc<JobContext>>,
    contexts: HashMap<ContextId, Arc<ContextView>>,
    running: HashMap<AttemptId, Running>,
    waiting: VecDeque<Task>,
    idle: Vec<usize>,
    slots: usize,
}

/// An attempt in a slot.
#[derive(Debug)]
struct Running {
    cancel: CancelFlag,
    /// Set for a task of an RDD.
    context: Option<ContextId>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Action {
    /// Run an attempt in a slot.
    Run { slot: usize, task: Box<Task>, shared: Shared, cancel: CancelFlag },
    /// Let a slot drop what it keeps for a job.
    Forget { slot: usize, job: JobId },
    /// Let go of what a task left for a context that is gone.
    DropContext(ContextId),
    /// Tell the driver.
    Report(pb::TaskUpdate),
}

impl Dispatch {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            jobs: HashMap::new(),
            contexts: HashMap::new(),
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

    /// Takes where the shards of a job are now; tasks that run go on there at once.
    pub(super) fn on_places(&self, places: pb::PutPlaces) -> Result<(), ParametersError> {
        let job = self.jobs.get(&JobId(places.job_id));
        match job.and_then(|job| job.train.as_ref()) {
            Some(train) => train.parameters.relocate(places.shards),
            // What comes with the job is newer.
            None => Ok(()),
        }
    }

    /// Takes nodes of a context's lineage; a context that isn't known begins with them.
    pub(super) fn on_nodes(&mut self, nodes: pb::PutNodes) -> Result<(), WireError> {
        self.context(nodes.context_id).put_nodes(nodes.nodes)
    }

    /// Takes where the map outputs of a shuffle are.
    pub(super) fn on_map_outputs(&mut self, outputs: pb::PutMapOutputs) {
        self.context(outputs.context_id).put_outputs(outputs);
    }

    pub(super) fn on_drop_context(&mut self, context: ContextId) {
        self.contexts.remove(&context);
    }

    /// The view of a context, to be changed: tasks that run go on with the one that they have.
    fn context(&mut self, id: u64) -> &mut ContextView {
        let id = ContextId(id);
        Arc::make_mut(self.contexts.entry(id).or_insert_with(|| Arc::new(ContextView::new(id))))
    }

    pub(super) fn on_launch(&mut self, task: Task) -> Vec<Action> {
        self.waiting.push_back(task);
        self.fill()
    }

    pub(super) fn on_cancel(&mut self, attempt: AttemptId) -> Vec<Action> {
        if let Some(running) = self.running.get(&attempt) {
            running.cancel.set();
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
        for (_, running) in self.running.iter().filter(|(attempt, _)| attempt.job == job) {
            running.cancel.set();
        }
        (0..self.slots).map(|slot| Action::Forget { slot, job }).collect()
    }

    pub(super) fn on_session_end(&mut self) -> Vec<Action> {
        self.waiting.clear();
        self.contexts.clear();
        self.running.values().for_each(|running| running.cancel.set());
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        jobs.into_iter().flat_map(|job| self.on_drop_job(job)).collect()
    }

    pub(super) fn on_ended(&mut self, slot: usize, attempt: AttemptId) -> Vec<Action> {
        let ended = self.running.remove(&attempt);
        self.idle.push(slot);
        let mut actions = self.fill();
        let gone = |context: &ContextId| !self.contexts.contains_key(context);
        actions.extend(ended.and_then(|ended| ended.context).filter(gone).map(Action::DropContext));
        actions
    }

    fn fill(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while !self.idle.is_empty() {
            let Some(task) = self.waiting.pop_front() else { break };
            let shared = match &task.work {
                Work::Rdd(work) => self.contexts.get(&work.context).cloned().map(Shared::Context),
                _ => self.jobs.get(&task.attempt.job).cloned().map(Shared::Job),
            };
            let Some(shared) = shared else {
                actions.push(failed(task.attempt, Kind::Task, "the executor has not been told of the job"));
                continue;
            };
            let Some(slot) = self.idle.pop() else { break };
            let cancel = CancelFlag::default();
            let context = match &task.work {
                Work::Rdd(work) => Some(work.context),
                _ => None,
            };
            self.running.insert(task.attempt, Running { cancel: cancel.clone(), context });
            actions.push(Action::Run { slot, task: Box::new(task), shared, cancel });
        }
        actions
    }
}

fn failed(attempt: AttemptId, kind: Kind, message: &str) -> Action {
    let failed = pb::AttemptFailed {
        attempt: Some(attempt.into()),
        kind: kind.into(),
        message: message.to_owned(),
        fetch: None,
    };
    Action::Report(pb::TaskUpdate { update: Some(pb::task_update::Update::Failed(failed)) })
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Attempt, NodeId, Partition, StageId, TaskIndex, lineage::Lineage};

    use super::*;
    use crate::task::Work;

    fn dispatch(slots: usize) -> Dispatch {
        let mut dispatch = Dispatch::new(slots);
        dispatch.on_job(JobContext {
            job: JobId(1),
            blocks: JobId(1).into(),
            lineage: Arc::new(Lineage::new()),
            train: None,
        });
        dispatch
    }

    fn task(job: u64, index: u32) -> Task {
        let attempt =
            AttemptId { job: JobId(job), stage: StageId(1), task: TaskIndex(index), attempt: Attempt(1) };
        let work = Work::Compute { node: NodeId(0) };
        let (files, places, views) = (vec![], vec![], crate::rdd::Views::PLAIN);
        Task { attempt, partition: Partition(index), files, prepared: None, places, views, work }
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

    #[test]
    fn what_a_task_leaves_for_a_context_that_is_gone_is_dropped() {
        let mut dispatch = dispatch(2);
        dispatch.on_nodes(pb::PutNodes { context_id: 7, nodes: vec![] }).unwrap();
        let rdd = |index| {
            let work = pb::RddTask {
                context_id: 7,
                output: Some(pb::rdd_task::Output::Shuffle(0)),
                ..Default::default()
            };
            Task { work: Work::Rdd(work.try_into().unwrap()), ..task(1, index) }
        };
        dispatch.on_launch(rdd(0));
        dispatch.on_launch(rdd(1));
        assert!(dispatch.on_ended(0, rdd(0).attempt).is_empty());
        dispatch.on_drop_context(ContextId(7));
        let actions = dispatch.on_ended(1, rdd(1).attempt);
        assert!(matches!(actions[..], [Action::DropContext(ContextId(7))]), "{actions:?}");
    }
}
