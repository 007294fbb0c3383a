//! The task slots of an executor: threads that run attempts, and who decides which runs which.

mod dispatch;
mod slot_thread;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use howdah_proto::{ContextId, MemberId, NodeId, SessionId, pb, pb::task_command::Command};
use tokio::sync::{mpsc, watch};
use tonic::transport::Channel;

use crate::{
    rdd::scope::ContextKey,
    task::{Environment, JobContext, Task},
};
use dispatch::{Action, Dispatch};
use slot_thread::{Assignment, SlotThread};

/// The task slots of an executor.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    dispatch: Dispatch,
    slots: Vec<SlotThread>,
    session: Option<SessionLink>,
    environment: Environment,
    released: watch::Sender<bool>,
}

/// What attempts need of the driver they work for.
#[derive(Clone)]
struct SessionLink {
    id: SessionId,
    member: MemberId,
    reports: mpsc::UnboundedSender<pb::TaskUpdate>,
    driver: Channel,
}

/// A task slot that can't be started.
#[derive(Debug, thiserror::Error)]
#[error("can't start the thread of a task slot: {0}")]
pub struct WorkerError(#[from] std::io::Error);

impl Worker {
    /// Starts `slots` threads, each of which computes on `threads` threads.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn start(environment: Environment, slots: u32, threads: usize) -> Result<Self, WorkerError> {
        let (ended, mut ends) = mpsc::unbounded_channel();
        let runtime = environment.runtime.clone();
        let started = (0..slots as usize)
            .map(|slot| SlotThread::start(slot, threads, environment.clone(), ended.clone()))
            .collect::<Result<_, _>>()?;
        let inner = Inner {
            dispatch: Dispatch::new(slots as usize),
            slots: started,
            session: None,
            environment,
            released: watch::Sender::new(false),
        };
        let worker = Self { inner: Arc::new(Mutex::new(inner)) };
        let weak = Arc::downgrade(&worker.inner);
        runtime.spawn(async move {
            while let Some((slot, attempt)) = ends.recv().await {
                let Some(inner) = weak.upgrade() else { return };
                let mut inner = lock(&inner);
                let actions = inner.dispatch.on_ended(slot, attempt);
                inner.perform(actions);
            }
        });
        Ok(worker)
    }

    /// Begins a session with a driver, to which reports go from now on; one before it ends.
    pub fn begin(
        &self,
        member: MemberId,
        id: SessionId,
        reports: mpsc::UnboundedSender<pb::TaskUpdate>,
        driver: Channel,
    ) {
        let mut inner = self.lock();
        if inner.session.is_some() {
            inner.end();
        }
        inner.released.send_replace(false);
        inner.session = Some(SessionLink { id, member, reports, driver });
    }

    /// Ends a session: whatever runs is no longer wanted, and the blocks are nobody's. The end of one that another has
    /// followed changes nothing.
    pub fn end(&self, session: SessionId) {
        let mut inner = self.lock();
        if inner.is_in(session) {
            inner.end();
        }
    }

    /// Does what the driver of a session says, while that lasts.
    pub fn on_command(&self, session: SessionId, command: Command) {
        let mut inner = self.lock();
        if !inner.is_in(session) {
            return;
        }
        let actions = match command {
            Command::PutJob(message) => match JobContext::from_wire(message) {
                Ok(job) => inner.dispatch.on_job(job),
                Err(error) => {
                    tracing::error!(%error, "the driver sent a job that makes no sense");
                    Vec::new()
                }
            },
            Command::Launch(launch) => {
                let mut actions = Vec::new();
                for spec in launch.tasks {
                    match Task::try_from(spec) {
                        Ok(task) => actions.extend(inner.dispatch.on_launch(task)),
                        Err(error) => tracing::error!(%error, "the driver sent a task that makes no sense"),
                    }
                }
                actions
            }
            Command::Cancel(cancel) => match cancel.attempt.try_into() {
                Ok(attempt) => inner.dispatch.on_cancel(attempt),
                Err(error) => {
                    tracing::error!(%error, "the driver cancels something that makes no sense");
                    Vec::new()
                }
            },
            Command::PutPlaces(places) => {
                // A refusal leaves the old places, which the driver then speaks of again.
                if let Err(error) = inner.dispatch.on_places(places) {
                    tracing::error!(%error, "the driver sent places of shards that make no sense");
                }
                Vec::new()
            }
            Command::DropJob(drop) => {
                let job = howdah_proto::JobId(drop.job_id);
                inner.environment.store.drop_context(job.into());
                inner.dispatch.on_drop_job(job)
            }
            Command::PutNodes(nodes) => {
                if let Err(error) = inner.dispatch.on_nodes(nodes) {
                    tracing::error!(%error, "the driver sent a lineage that makes no sense");
                }
                Vec::new()
            }
            Command::PutMapOutputs(outputs) => {
                inner.dispatch.on_map_outputs(outputs);
                Vec::new()
            }
            Command::ForgetNode(node) => {
                inner.forget_node(ContextId(node.context_id), NodeId(node.node));
                Vec::new()
            }
            Command::DropContext(context) => {
                let context = ContextId(context.context_id);
                inner.dispatch.on_drop_context(context);
                inner.drop_context(context);
                Vec::new()
            }
            Command::Shutdown(shutdown) => {
                tracing::info!(reason = shutdown.reason, "the driver lets the executor go");
                inner.released.send_replace(true);
                Vec::new()
            }
        };
        inner.perform(actions);
    }

    /// Asks the driver for nothing new, and waits until it lets the executor go; without a driver that is now.
    pub async fn drain(&self) {
        let mut released = {
            let inner = self.lock();
            let Some(session) = &inner.session else { return };
            let drain = pb::task_update::Update::Drain(pb::Drain {});
            // A closed channel means that the session is over, which releases too.
            let _ = session.reports.send(pb::TaskUpdate { update: Some(drain) });
            inner.released.subscribe()
        };
        // The sender lives as long as the worker does.
        let _ = released.wait_for(|released| *released).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    // Decisions are made by Dispatch, which is whole between its methods.
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn is_in(&self, session: SessionId) -> bool {
        self.session.as_ref().is_some_and(|link| link.id == session)
    }

    fn end(&mut self) {
        self.session = None;
        self.released.send_replace(true);
        let actions = self.dispatch.on_session_end();
        self.perform(actions);
        self.environment.store.clear();
        self.environment.outputs.clear();
        self.environment.broadcasts.clear_all();
    }

    /// Lets go of the blocks of a node. The map outputs of a shuffle stay: the driver still counts on them.
    fn forget_node(&mut self, context: ContextId, node: NodeId) {
        self.environment.store.forget(context, node);
    }

    /// Lets go of everything that is kept for a context.
    fn drop_context(&mut self, context: ContextId) {
        self.environment.store.drop_context(context);
        self.environment.outputs.drop_context(context);
        self.environment.broadcasts.clear(ContextKey(context.0));
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Run { slot, task, shared, cancel } => {
                    let (Some(thread), Some(session)) = (self.slots.get(slot), &self.session) else {
                        continue;
                    };
                    thread.assign(Assignment::Run { task, shared, cancel, session: session.clone() });
                }
                Action::Forget { slot, job } => {
                    if let Some(thread) = self.slots.get(slot) {
                        thread.assign(Assignment::Forget(job));
                    }
                }
                Action::DropContext(context) => self.drop_context(context),
                Action::Report(update) => {
                    if let Some(session) = &self.session {
                        // A closed channel means that the session is over.
                        let _ = session.reports.send(update);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use howdah_proto::transport;

    use super::*;
    use crate::{rdd::Registry, store::Scratch};

    fn worker() -> Worker {
        let (memory, scratch) = (crate::memory::Memory::new(1 << 20), Scratch::new(None).unwrap());
        let environment =
            Environment::new(memory, scratch, Registry::new(), tokio::runtime::Handle::current());
        Worker::start(environment, 1, 1).unwrap()
    }

    #[tokio::test]
    async fn what_comes_late_of_a_session_that_another_has_followed_changes_nothing() {
        let worker = worker();
        let driver = transport::endpoint("http://127.0.0.1:1").unwrap().connect_lazy();
        let mut reports = Vec::new();
        for session in [1, 2] {
            let (sender, receiver) = mpsc::unbounded_channel();
            worker.begin(MemberId(session), SessionId(session), sender, driver.clone());
            reports.push(receiver);
        }
        let go = || Command::Shutdown(pb::Shutdown::default());
        worker.on_command(SessionId(1), go());
        worker.end(SessionId(1));
        assert!(worker.drain().now_or_never().is_none(), "the second driver has not let it go");
        assert!(reports[0].try_recv().is_err());
        assert!(reports[1].try_recv().is_ok(), "the second driver is told that it wants to leave");
        worker.on_command(SessionId(2), go());
        assert!(worker.drain().now_or_never().is_some());
    }
}
