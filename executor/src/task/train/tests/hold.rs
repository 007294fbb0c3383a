use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

/// A call is held no longer, and so shorter than a replica is patient: a test that waits for it fails instead of hanging.
const DEADLINE: Duration = Duration::from_secs(20);

/// Holds calls of a server back before it hears of them.
#[derive(Debug, Clone)]
pub(in crate::task::train) struct Hold(Arc<State>);

#[derive(Debug)]
struct State {
    /// The name of the calls that are held.
    held: watch::Sender<Option<&'static str>>,
    /// How many more of them pass before the first is held.
    before: AtomicUsize,
    /// How many that were held have passed because the deadline had come.
    passed: AtomicUsize,
}

impl Default for Hold {
    fn default() -> Self {
        let (before, passed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(State { held: watch::Sender::new(None), before, passed }))
    }
}

impl Hold {
    /// Holds the calls of this name from now on, but for the first so many.
    pub(super) fn hold(&self, call: &'static str, before: usize) {
        self.0.before.store(before, Ordering::SeqCst);
        self.0.held.send_replace(Some(call));
    }

    /// Lets everything through; tells how many of those that were held have passed before, because the deadline had come.
    pub(super) fn release(&self) -> usize {
        let passed = self.0.passed.load(Ordering::SeqCst);
        self.0.held.send_replace(None);
        passed
    }

    /// Waits for as long as a call that has come to a server is held.
    pub(super) async fn pass(&self, path: &str) {
        let name = path.rsplit('/').next();
        let State { held, before, passed } = &*self.0;
        let mut held = held.subscribe();
        let is_first = || {
            let one_less = |before: usize| before.checked_sub(1);
            before.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        };
        if *held.borrow() != name || is_first() {
            return;
        }
        let _released = tokio::time::timeout(DEADLINE, held.wait_for(|held| *held != name)).await;
        passed.fetch_add(1, Ordering::SeqCst);
    }
}
