use std::time::Duration;

use howdah_paramserver::client::{Parameters, ParametersError};
use howdah_proto::ReplicaId;
use tokio::runtime::Handle;

use super::TaskError;
use crate::task::{CancelFlag, wait::wait};

/// How long an attempt that ends tells the others so; the driver tells them in the end.
const LEAVING: Duration = Duration::from_secs(5);

/// Where replicas wait for the slowest, in bounded staleness: one that is too far ahead gets no weights to compute on.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    parameters: Parameters,
    replica: ReplicaId,
    clock: u64,
}

impl Gate {
    /// Enters for a task, when the replica isn't too far ahead; `made` is how many pushes it has made, which the
    /// shards may have forgotten.
    pub(super) fn enter(
        parameters: &Parameters,
        replica: ReplicaId,
        made: u64,
        runtime: &Handle,
        cancel: &CancelFlag,
    ) -> Result<Self, TaskError> {
        let mut gate = Self { parameters: parameters.clone(), replica, clock: made };
        let entered = wait(runtime, cancel, async {
            let told = parameters.enter(replica).await?.clock;
            gate.clock = told.max(made);
            gate.pass(cancel).await
        });
        let failed: TaskError = match entered {
            Ok(Ok(())) => return Ok(gate),
            Ok(Err(error)) => error.into(),
            Err(error) => error,
        };
        // It may have entered though the answer didn't come.
        gate.leave(runtime);
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

    /// Leaves, so that nobody waits for this replica; gives how many pushes it has made.
    pub(super) fn leave(self, runtime: &Handle) -> u64 {
        let left = runtime
            .block_on(async { tokio::time::timeout(LEAVING, self.parameters.leave(self.replica)).await });
        if !matches!(left, Ok(Ok(_))) {
            tracing::warn!(replica = %self.replica, "the shards could not be told that a replica has left");
        }
        self.clock
    }
}
