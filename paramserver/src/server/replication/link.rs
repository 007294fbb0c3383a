use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tonic::{Code, Status};

use super::queue::{Change, Queue};
use crate::server::{cell::ShardKey, terms::moved};

mod pairing;

/// How long a push waits for a standby that comes no nearer before its sender is told to come back.
const WAIT: Duration = Duration::from_secs(10);

/// How long a standby may take to have all that was queued when somebody asks whether it follows, even if it comes nearer:
/// one that slow holds up the job. Who asks waits for longer.
const MOST_BEHIND: Duration = Duration::from_secs(45);

/// How long a push waits for a standby that catches up, twice as long with each image that was sent in vain: for less than
/// others wait for the room that it has.
const FIRST_WAIT_BEHIND: Duration = Duration::from_secs(3);

/// How many images a standby is sent, at most, to bring it up to date.
const MOST_IMAGES: u32 = 3;

/// How far a primary and its standby are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is no standby.
    Alone,
    /// A standby is being brought up to date; no answer waits for it yet.
    CatchingUp,
    /// Nothing is acknowledged that the standby hasn't.
    Paired,
    /// The standby couldn't be brought up to date.
    Failed { reason: String },
    /// The standby has become primary: nothing is acknowledged any more.
    Superseded { reason: String },
}

impl Phase {
    fn queues(&self) -> bool {
        matches!(self, Self::CatchingUp | Self::Paired)
    }
}

/// How far a standby has come towards a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Yes,
    Nearer,
}

/// A standby that was attached: the number tells it from others before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairing {
    pub(super) number: u64,
    pub(super) address: String,
}

/// Where a primary stands with its standby.
#[derive(Debug)]
pub(in crate::server) struct Link {
    key: ShardKey,
    state: Mutex<State>,
    /// Counts up whenever the state changes.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    queue: Queue,
    pairing: Pairing,
    /// How many images the standby was sent until it was up to date.
    images: u32,
    /// The last of the driver's requests about the standby.
    order: u64,
}

impl State {
    /// Ends the pairing that there is, with all that waits in it, and goes on to another phase; from one that was
    /// superseded, to none.
    fn end(&mut self, next: Phase) {
        if !self.is_superseded() {
            self.phase = next;
        }
        self.queue.clear();
    }

    /// Whether a standby is brought up to date that needs no other image than the one that it is sent.
    fn catches_up(&self) -> bool {
        self.phase == Phase::CatchingUp && !self.queue.needs_image()
    }

    fn is_superseded(&self) -> bool {
        matches!(self.phase, Phase::Superseded { .. })
    }
}

impl Link {
    pub(in crate::server) fn new(key: ShardKey) -> Self {
        let pairing = Pairing { number: 0, address: String::new() };
        let state = State { phase: Phase::Alone, queue: Queue::default(), pairing, images: 0, order: 0 };
        Self { key, state: Mutex::new(state), changed: watch::Sender::new(0) }
    }

    /// Queues a change for the standby, if there is one. Must be called under the lock of what changes, the shard or its
    /// clocks. Gives the position that must be acknowledged before the change is.
    pub(in crate::server) fn note(&self, change: impl FnOnce() -> Change) -> u64 {
        let position = {
            let mut state = self.state();
            if !state.phase.queues() {
                return state.queue.end();
            }
            let catches_up = state.phase == Phase::CatchingUp;
            if catches_up && state.queue.needs_image() {
                // The next image has it, and needs no room meanwhile.
                return state.queue.end();
            }
            let change = change();
            if catches_up && !change.may_wait() {
                // What the standby is being sent is of no use then, nor is what was queued for it.
                state.queue.clear();
                state.queue.push(Change::Anew)
            } else {
                state.queue.push(change)
            }
        };
        self.tell();
        position
    }

    /// The position that must be acknowledged before what the shard is now may be told. Must be called under the
    /// lock of the shard.
    pub(in crate::server) fn position(&self) -> u64 {
        self.state().queue.end()
    }

    /// Waits, as long as a push should, for a standby that is being brought up to date and can still be with what it was
    /// sent; not at all for another. Tells whether there is none to wait for any more.
    pub(in crate::server) async fn caught_up(&self) -> bool {
        let patience = {
            let state = self.state();
            state
                .catches_up()
                .then(|| FIRST_WAIT_BEHIND * (1 << state.images.saturating_sub(1).min(MOST_IMAGES)))
        };
        let Some(patience) = patience else { return true };
        let caught_up = self.when(|state| (!state.catches_up()).then_some(()));
        // If it isn't in time, it is sent another image.
        tokio::time::timeout(patience, caught_up).await.is_ok()
    }

    /// Waits until the standby has all before a position, if there is one, for as long as it comes nearer.
    pub(in crate::server) async fn settled(&self, position: u64) -> Result<(), Status> {
        loop {
            let before = self.state().queue.acknowledged();
            let look = |state: &State| match &state.phase {
                Phase::Alone | Phase::CatchingUp | Phase::Failed { .. } => Some(Ok(Settled::Yes)),
                Phase::Superseded { reason } => Some(Err(moved(reason))),
                Phase::Paired if state.queue.acknowledged() >= position => Some(Ok(Settled::Yes)),
                Phase::Paired => (state.queue.acknowledged() > before).then_some(Ok(Settled::Nearer)),
            };
            let waited = tokio::time::timeout(WAIT, self.when(look)).await;
            let settled = waited.map_err(|_| {
                let address = self.state().pairing.address.clone();
                Status::unavailable(format!("the standby of {} at {address} doesn't acknowledge", self.key))
            })??;
            if settled == Settled::Yes {
                return Ok(());
            }
        }
    }

    /// Notes the place of a request among the driver's about the standby, and tells whether it still holds: a later one may
    /// have overtaken it. One of 0 says nothing of its place. Must be called under the lock of the shard.
    pub(in crate::server) fn holds(&self, order: u64) -> bool {
        let mut state = self.state();
        let holds = order == 0 || order >= state.order;
        state.order = state.order.max(order);
        holds
    }

    /// The standby that there is, or that couldn't be brought up to date.
    pub(super) fn standby(&self) -> Option<Pairing> {
        let state = self.state();
        let is_there = state.phase.queues() || matches!(state.phase, Phase::Failed { .. });
        is_there.then(|| state.pairing.clone())
    }

    /// Lets the shard go on without its standby.
    pub(in crate::server) fn detach(&self) {
        self.alter(|state| state.end(Phase::Alone));
    }

    /// Another cell has taken the shard's place: what waits for the standby is not acknowledged any more.
    pub(in crate::server) fn give_up(&self, reason: String) {
        self.alter(|state| state.end(Phase::Superseded { reason }));
    }

    /// Begins to queue for a standby; nothing if it is the one that there is, or if the primary was superseded. Must
    /// be called under the lock of the shard.
    pub(super) fn attach(&self, address: &str) -> Option<Pairing> {
        let pairing = {
            let mut state = self.state();
            let is_there = state.phase.queues() && state.pairing.address == address;
            if is_there || state.is_superseded() {
                return None;
            }
            state.end(Phase::CatchingUp);
            state.pairing = Pairing { number: state.pairing.number + 1, address: address.to_owned() };
            state.images = 0;
            state.pairing.clone()
        };
        self.tell();
        Some(pairing)
    }

    /// Waits until a standby has been brought up to date. That it can't be is not said as [`Code::Unavailable`]: this server
    /// has answered.
    pub(super) async fn attached(&self) -> Result<(), Status> {
        let key = self.key;
        let end = self.when(|state| match &state.phase {
            Phase::Alone => {
                Some(Err(Status::cancelled(format!("the standby of {key} was detached meanwhile"))))
            }
            Phase::CatchingUp => None,
            Phase::Paired => Some(Ok(state.queue.end())),
            Phase::Failed { reason } => Some(Err(Status::aborted(format!(
                "the standby of {key} at {} can't be brought up to date: {reason}",
                state.pairing.address
            )))),
            Phase::Superseded { reason } => Some(Err(moved(reason))),
        });
        let settled = tokio::time::timeout(MOST_BEHIND, self.settled(end.await?));
        let slow = |_| Status::aborted(format!("the standby of {key} is too slow to follow"));
        settled.await.map_err(slow)?.map_err(|status| match status.code() {
            Code::Unavailable => Status::aborted(status.message()),
            _ => status,
        })
    }

    fn alter(&self, alter: impl FnOnce(&mut State)) {
        alter(&mut self.state());
        self.tell();
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits until the state gives something.
    async fn when<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = look(&self.state()) {
                return found;
            }
            // The sender lives as long as this link, so there is always another change to wait for.
            let _changed = changed.changed().await;
        }
    }

    // Changes of the state are assignments: a panic leaves nothing half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_current(state: &State, pairing: &Pairing) -> bool {
    state.pairing.number == pairing.number && state.phase.queues()
}

#[cfg(test)]
mod tests;
