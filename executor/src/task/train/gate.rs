use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use howdah_paramserver::client::{Parameters, ParametersError};
use howdah_proto::ReplicaId;
use tokio::{runtime::Handle, task::JoinHandle};

use super::TaskError;
use crate::task::{CancelFlag, wait::wait};

/// How long an attempt that ends waits until the shards know of it. They are told in any case.
const LEAVING: Duration = Duration::from_secs(5);
/// How long an attempt that begins waits for that: then the shards can't be reached by it either.
const ENTERING: Duration = Duration::from_secs(60);
/// How long after it came to nothing the shards are told again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a replica keeps of bounded staleness from task to task.
#[derive(Debug, Default)]
pub(in crate::task) struct Turns {
    /// The pushes that it has made, which the shards may have forgotten.
    made: u64,
    /// Who says that it has left its last task, if that has yet to be heard.
    leaving: Option<JoinHandle<()>>,
}

impl Turns {
    /// Waits until the shards know that the last task is over: what they hear late must not end the next one.
    async fn left(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            let _ended = leaving.await;
        }
        self.leaving = None;
    }

    /// Has nobody say any more that the last task is over.
    fn stay(&mut self) {
        if let Some(leaving) = self.leaving.take() {
            leaving.abort();
        }
    }
}

/// Where replicas wait for the slowest, in bounded staleness: one that is too far ahead gets no weights to compute on.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    parameters: Arc<Parameters>,
    replica: ReplicaId,
    clock: u64,
}

/// A replica's part in a task, if it has entered for one: it leaves when this goes, however the task ends.
pub(super) struct Attendance<'a> {
    pub(super) gate: Option<Gate>,
    pub(super) turns: &'a mut Turns,
    pub(super) runtime: &'a Handle,
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave(self.turns, self.runtime);
        }
    }
}

impl Gate {
    /// Enters for a task, when the replica isn't too far ahead.
    pub(super) fn enter(
        parameters: Arc<Parameters>,
        replica: ReplicaId,
        turns: &mut Turns,
        runtime: &Handle,
        cancel: &CancelFlag,
    ) -> Result<Self, TaskError> {
        let mut gate = Self { parameters, replica, clock: turns.made };
        let entered = wait(runtime, cancel, async {
            if tokio::time::timeout(ENTERING, turns.left()).await.is_err() {
                turns.stay();
            }
            let told = gate.parameters.enter(replica).await?.clock;
            gate.clock = told.max(turns.made);
            gate.pass(cancel).await
        });
        let failed: TaskError = match entered {
            Ok(Ok(())) => return Ok(gate),
            Ok(Err(error)) => error.into(),
            Err(error) => error,
        };
        // It may have entered though the answer didn't come.
        gate.leave(turns, runtime);
        Err(failed)
    }

    /// The gate after the next push.
    pub(super) fn next(&mut self) -> Self {
        self.clock += 1;
        self.clone()
    }

    /// Tells how many pushes were made, and waits until the replica may go on. An attempt that is no longer wanted
    /// doesn't wait.
    pub(super) async fn pass(&self, cancel: &CancelFlag) -> Result<(), ParametersError> {
        let mut turn = self.parameters.advance(self.replica, self.clock).await?;
        while !turn.may_go_on && cancel.check().is_ok() {
            turn = self.parameters.may_go_on(self.replica).await?;
        }
        Ok(())
    }

    /// Leaves, so that nobody waits for this replica.
    fn leave(self, turns: &mut Turns, runtime: &Handle) {
        self.begin_to_leave(turns, runtime);
        // A shard that is away holds up the end of a task for so long and no longer.
        let _told = runtime.block_on(async { tokio::time::timeout(LEAVING, turns.left()).await });
    }

    fn begin_to_leave(self, turns: &mut Turns, runtime: &Handle) {
        let Self { parameters, replica, clock } = self;
        turns.made = clock;
        // Whoever says so already says the same.
        turns.stay();
        let parameters = Arc::downgrade(&parameters);
        turns.leaving = Some(runtime.spawn(async move { tell_of_leaving(&parameters, replica).await }));
    }
}

/// Tells the shards that a replica has left, for as long as this executor has to do with the job: the others wait for it
/// until they know.
async fn tell_of_leaving(parameters: &Weak<Parameters>, replica: ReplicaId) {
    while let Some(parameters) = parameters.upgrade() {
        let told = parameters.leave(replica).await;
        drop(parameters);
        let Err(error) = told else { return };
        tracing::warn!(%replica, "the shards could not be told yet that a replica has left: {error}");
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use howdah_paramserver::client::Patience;
    use howdah_proto::{
        MemberId,
        settings::{Encoding, Mode, PushEvery, UpdateRule},
    };

    use super::{
        super::tests::fixture::{Cluster, deltas, settings},
        *,
    };

    #[test]
    fn a_replica_that_leaves_while_its_shard_is_away_has_left_when_it_is_back() {
        let mode = Mode::BoundedStaleness { push_every: PushEvery::Steps(1), staleness: 1 };
        let patience = Patience { tries: 1, ..Patience::default() };
        let cluster = Cluster::with(settings(deltas(), UpdateRule::Sum, mode, Encoding::F32), patience);
        let [one, other] = [1, 2].map(|member| ReplicaId { member: MemberId(member), slot: 0 });
        let (runtime, cancel) = (cluster.runtime.handle(), CancelFlag::default());
        let parameters = &Arc::new(cluster.parameters.clone());
        let enter =
            |turns: &mut Turns| Gate::enter(Arc::clone(parameters), one, turns, runtime, &cancel).unwrap();
        let mut turns = Turns::default();
        let gate = enter(&mut turns);
        runtime.block_on(parameters.enter(other)).unwrap();
        cluster.move_to(2);
        gate.begin_to_leave(&mut turns, runtime);
        assert!(turns.leaving.is_some());
        // By the time that two such calls have failed, one after the other, that of the replica has.
        (0..2).for_each(|_| drop(runtime.block_on(parameters.leave(one)).unwrap_err()));
        cluster.promote(3);
        cluster.move_to(3);
        runtime.block_on(turns.left());
        assert!(runtime.block_on(parameters.advance(other, 50)).unwrap().may_go_on);
        let gate = enter(&mut turns);
        assert!(turns.leaving.is_none());
        gate.leave(&mut turns, runtime);
        assert!(runtime.block_on(parameters.advance(other, 100)).unwrap().may_go_on);
    }
}
