use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc as blocking,
    thread,
    time::{Duration, Instant},
};

use howdah_proto::{
    AttemptId, JobId, MemberId,
    pb::{self, attempt_succeeded::Result as TaskResult, task_update::Update},
};
use tokio::sync::mpsc;
use tonic::transport::Channel;

use super::SessionLink;
use crate::task::{self, Assigned, CancelFlag, Environment, Shared, Slot, Task, TaskError};

/// Progress is reported at most this often, and once at the first step.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// A larger result travels in several messages.
const RESULT_PIECE_BYTES: usize = 1 << 20;

/// What a slot is told.
pub(super) enum Assignment {
    /// Run an attempt, and report on it.
    Run { task: Box<Task>, shared: Shared, cancel: CancelFlag, session: SessionLink },
    /// Drop what is kept for a job.
    Forget(JobId),
}

/// A task slot: a thread that runs one attempt at a time. It ends when this is dropped.
pub(super) struct SlotThread {
    assignments: blocking::Sender<Assignment>,
}

impl SlotThread {
    pub(super) fn start(
        slot: usize,
        threads: usize,
        environment: Environment,
        ended: mpsc::UnboundedSender<(usize, AttemptId)>,
    ) -> io::Result<Self> {
        let (assignments, received) = blocking::channel();
        thread::Builder::new().name(format!("slot-{slot}")).spawn(move || {
            let mut state = Slot::new(slot as u32, threads);
            for assignment in received {
                match assignment {
                    Assignment::Forget(job) => state.drop_job(job),
                    Assignment::Run { task, shared, cancel, session } => {
                        let attempt = task.attempt;
                        let report = |update| {
                            // A closed channel means that the session is over.
                            let _ = session.reports.send(pb::TaskUpdate { update: Some(update) });
                        };
                        let place = Place {
                            environment: &environment,
                            driver: &session.driver,
                            member: session.member,
                        };
                        run(&place, &shared, &task, &cancel, &mut state, &report);
                        if ended.send((slot, attempt)).is_err() {
                            return;
                        }
                    }
                }
            }
        })?;
        Ok(Self { assignments })
    }

    pub(super) fn assign(&self, assignment: Assignment) {
        // The thread ends only with the worker: it catches the panics of what it runs.
        let _ = self.assignments.send(assignment);
    }
}

/// Where an attempt runs.
struct Place<'a> {
    environment: &'a Environment,
    driver: &'a Channel,
    member: MemberId,
}

fn run(
    place: &Place<'_>,
    shared: &Shared,
    task: &Task,
    cancel: &CancelFlag,
    slot: &mut Slot,
    report: &dyn Fn(Update),
) {
    let attempt = Some(pb::AttemptRef::from(task.attempt));
    report(Update::Started(pb::AttemptStarted { attempt }));
    let last = std::cell::Cell::new(None::<Instant>);
    let progress = |done, total| {
        if last.get().is_none_or(|at| at.elapsed() >= PROGRESS_INTERVAL) {
            last.set(Some(Instant::now()));
            report(Update::Progress(pb::AttemptProgress { attempt, done, total }));
        }
    };
    let Place { environment, driver, member } = *place;
    let run = Assigned { environment, driver, member, shared, task, cancel, progress: &progress };
    // A panic is a bug, but one task's bug must not take the others of this executor down.
    let outcome = catch_unwind(AssertUnwindSafe(|| task::run(&run, slot))).unwrap_or_else(|panic| {
        *slot = slot.emptied();
        Err(TaskError::Panicked(panic_text(&*panic)))
    });
    let dropped = environment.store.take_dropped();
    if !dropped.is_empty() {
        let blocks = dropped.into_iter().map(pb::BlockId::from).collect();
        report(Update::Dropped(pb::BlocksDropped { blocks }));
    }
    match outcome {
        Ok(outcome) => {
            // One that has left again since was reported above.
            let stored = outcome.stored.into_iter().filter(|block| environment.store.contains(*block));
            let stored = stored.map(pb::BlockId::from).collect();
            let result = Some(send_ahead(outcome.result, attempt, report));
            report(Update::Succeeded(pb::AttemptSucceeded { attempt, stored, result }));
        }
        Err(error) => {
            tracing::info!(attempt = %task.attempt, %error, "an attempt ended without success");
            let kind = error.wire_kind().into();
            report(Update::Failed(pb::AttemptFailed {
                attempt,
                kind,
                message: error.to_string(),
                fetch: error.fetch_failed(),
            }));
        }
    }
}

/// Sends all of a large result but its end ahead, in pieces.
fn send_ahead(result: TaskResult, attempt: Option<pb::AttemptRef>, report: &dyn Fn(Update)) -> TaskResult {
    let TaskResult::Rdd(mut done) = result else { return result };
    while done.result.len() > RESULT_PIECE_BYTES {
        let data = done.result.split_to(RESULT_PIECE_BYTES);
        report(Update::ResultChunk(pb::ResultChunk { attempt, data }));
    }
    TaskResult::Rdd(done)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
