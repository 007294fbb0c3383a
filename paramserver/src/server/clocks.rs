use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use howdah_proto::{
    MemberId, ReplicaId,
    pb::{self, clock_request::Action},
    settings::Mode,
};
use tokio::sync::Notify;
use tonic::Status;

use crate::shard::Clocks;

/// The clocks of a job's replicas, and those who wait for the slowest.
#[derive(Debug, Default)]
pub(super) struct ClockTable {
    clocks: Mutex<Clocks>,
    moved: Notify,
}

impl ClockTable {
    /// Does what a replica asks for, and waits up to `patience` until it may go on.
    pub(super) async fn ask(
        &self,
        request: &pb::ClockRequest,
        mode: &Mode,
        patience: Duration,
    ) -> Result<pb::ClockReply, Status> {
        let replica: ReplicaId = howdah_proto::required(request.replica, "replica")?.into();
        let entered = {
            let mut clocks = self.clocks();
            match request.action() {
                Action::Unspecified => return Err(Status::invalid_argument("the clock's action is missing")),
                Action::Enter => Some(clocks.enter(replica)),
                Action::Advance => {
                    clocks.advance(replica, request.clock);
                    None
                }
                Action::Leave => {
                    clocks.leave(replica);
                    None
                }
                Action::Wait => None,
            }
        };
        self.moved.notify_waiters();
        let clock = entered.unwrap_or(request.clock);
        let waits = matches!(request.action(), Action::Advance | Action::Wait);
        let may_go_on = match *mode {
            Mode::BoundedStaleness { staleness, .. } if waits => {
                within(patience, self.turn(replica, staleness)).await
            }
            _ => true,
        };
        let slowest = self.clocks().slowest().unwrap_or(clock);
        Ok(pb::ClockReply { clock, slowest, may_go_on })
    }

    /// Lets nobody wait for the replicas of an executor.
    pub(super) fn forget(&self, member: MemberId) {
        self.clocks().forget(member);
        self.moved.notify_waiters();
    }

    async fn turn(&self, replica: ReplicaId, staleness: u32) {
        loop {
            let moved = self.moved.notified();
            if self.clocks().may_go_on(replica, staleness) {
                return;
            }
            moved.await;
        }
    }

    // Clocks are numbers: a panic leaves nothing half changed.
    fn clocks(&self) -> MutexGuard<'_, Clocks> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for something, and tells whether it came in time.
pub(super) async fn within(patience: Duration, event: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(patience, event).await.is_ok()
}
