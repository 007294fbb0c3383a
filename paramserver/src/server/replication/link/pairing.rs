//! What is done for a standby for as long as it is one: nothing that comes late changes what is there for another.

use super::{Link, MOST_IMAGES, Pairing, Phase, State, is_current};
use crate::server::replication::queue::Change;

impl Link {
    /// The position before which an image that is taken now has all changes. Those needn't wait any more for a standby that
    /// catches up; one that was sent enough images is given up. Must be called under the lock of the shard.
    pub(in crate::server::replication) fn image_position(&self, pairing: &Pairing) -> u64 {
        self.during(pairing, |state| {
            if state.phase != Phase::CatchingUp {
                return;
            }
            if state.images == MOST_IMAGES {
                let reason = format!("pushes left no time for it to take any of {MOST_IMAGES} images");
                return state.end(Phase::Failed { reason });
            }
            state.images += 1;
            state.queue.clear();
        });
        self.position()
    }

    /// Waits for the change at a position; none when a pairing has ended, or when only an image can tell it any more.
    pub(in crate::server::replication) async fn change(
        &self,
        pairing: &Pairing,
        position: u64,
    ) -> Option<Change> {
        self.when(|state| {
            if !is_current(state, pairing) || position < state.queue.acknowledged() {
                return Some(None);
            }
            state.queue.get(position).cloned().map(Some)
        })
        .await
    }

    /// Waits until a pairing has ended.
    pub(in crate::server::replication) async fn ended(&self, pairing: &Pairing) {
        self.when(|state| (!is_current(state, pairing)).then_some(())).await;
    }

    /// Whether a pairing goes on, and in which phase.
    pub(in crate::server::replication) fn phase(&self, pairing: &Pairing) -> Option<Phase> {
        let state = self.state();
        is_current(&state, pairing).then(|| state.phase.clone())
    }

    /// Whether the standby needs an image, because of a change that can't be told otherwise.
    pub(in crate::server::replication) fn needs_image(&self) -> bool {
        self.state().queue.needs_image()
    }

    /// The standby has all before a position, and is up to date if it wasn't, unless it needs another image for that.
    pub(in crate::server::replication) fn acknowledge_before(&self, pairing: &Pairing, position: u64) {
        self.during(pairing, |state| {
            state.queue.acknowledge_before(position);
            if state.phase != Phase::CatchingUp || !state.queue.needs_image() {
                state.phase = Phase::Paired;
            }
        });
    }

    /// A standby that comes back has the pushes up to one.
    pub(in crate::server::replication) fn acknowledge_pushes(&self, pairing: &Pairing, up_to: u64) -> u64 {
        self.during(pairing, |state| state.queue.acknowledge_pushes(up_to));
        self.state().queue.acknowledged()
    }

    /// The standby can't be brought up to date.
    pub(in crate::server::replication) fn fail(&self, pairing: &Pairing, reason: String) {
        self.during(pairing, |state| state.end(Phase::Failed { reason }));
    }

    /// The standby has become primary.
    pub(in crate::server::replication) fn supersede(&self, pairing: &Pairing, reason: String) {
        self.during(pairing, |state| state.end(Phase::Superseded { reason }));
    }

    fn during(&self, pairing: &Pairing, alter: impl FnOnce(&mut State)) {
        self.alter(|state| {
            if is_current(state, pairing) {
                alter(state);
            }
        });
    }
}
