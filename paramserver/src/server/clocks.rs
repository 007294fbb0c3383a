use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use howdah_proto::{
    MemberId, ReplicaId,
    pb::{self, clock_request::Action},
    settings::Mode,
};
use tokio::sync::Notify;
use tonic::Status;

use super::replication::{Change, Link};
use crate::shard::{Clocks, News};

/// The clocks of a job's replicas, and those who wait for the slowest.
#[derive(Debug, Default)]
pub(super) struct ClockTable {
    clocks: Mutex<Clocks>,
    moved: Notify,
}

impl ClockTable {
    /// Does what a replica asks for, and waits up to `patience` until it may go on. Who takes part is answered when the
    /// standby knows it too: a replica that has left there as well is never waited for. A clock that the standby has yet
    /// to hear of only makes others wait for longer.
    pub(super) async fn ask(
        &self,
        request: &pb::ClockRequest,
        mode: &Mode,
        link: &Link,
        patience: Duration,
    ) -> Result<pb::ClockReply, Status> {
        let replica: ReplicaId = howdah_proto::required(request.replica, "replica")?.into();
        let moved = News::Replica(replica);
        let clock = match request.action() {
            Action::Unspecified => return Err(Status::invalid_argument("the clock's action is missing")),
            Action::Enter => {
                let (clock, position) = self.change(link, moved, |clocks| clocks.enter(replica));
                link.settled(position).await?;
                clock
            }
            Action::Advance => {
                self.change(link, moved, |clocks| clocks.advance(replica, request.clock));
                request.clock
            }
            Action::Leave => {
                let ((), position) = self.change(link, moved, |clocks| clocks.leave(replica));
                link.settled(position).await?;
                request.clock
            }
            Action::Wait => request.clock,
        };
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
    pub(super) fn forget(&self, member: MemberId, link: &Link) {
        self.change(link, News::Lost(member), |clocks| clocks.forget(member));
    }

    /// Tells the standby all clocks, if there is one.
    pub(super) fn tell(&self, link: &Link) {
        self.change(link, News::All, |_| ());
    }

    /// Takes in what the primary tells.
    pub(super) fn follow(&self, news: Clocks) {
        self.clocks().follow(news);
    }

    /// Changes the clocks, and gives the position that the standby must have come to before it knows the news.
    fn change<T>(&self, link: &Link, news: News, change: impl FnOnce(&mut Clocks) -> T) -> (T, u64) {
        let changed = {
            let mut clocks = self.clocks();
            let result = change(&mut clocks);
            (result, link.note(|| Change::Clocks(Arc::new(clocks.news(news)))))
        };
        self.moved.notify_waiters();
        changed
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
