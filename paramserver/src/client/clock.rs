use howdah_proto::{
    ReplicaId,
    pb::{self, clock_request::Action},
};

use super::{Parameters, ParametersError};

/// Where a replica stands in bounded staleness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// How many pushes it has made.
    pub clock: u64,
    /// How many the slowest has made.
    pub slowest: u64,
    /// Whether it may compute, or is too far ahead.
    pub may_go_on: bool,
}

impl Parameters {
    /// Lets a replica take part: it begins a task.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn enter(&self, replica: ReplicaId) -> Result<Clock, ParametersError> {
        self.clock(replica, Action::Enter, 0).await
    }

    /// Brings a replica's clock to `clock`. The answer comes when the replica may go on, or after
    /// [`LONG_POLL`](super::LONG_POLL).
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn advance(&self, replica: ReplicaId, clock: u64) -> Result<Clock, ParametersError> {
        self.clock(replica, Action::Advance, clock).await
    }

    /// Asks again, as [`Self::advance`], whether a replica may go on.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn may_go_on(&self, replica: ReplicaId) -> Result<Clock, ParametersError> {
        self.clock(replica, Action::Wait, 0).await
    }

    /// Lets a replica take part no more: nobody waits for it.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn leave(&self, replica: ReplicaId) -> Result<Clock, ParametersError> {
        self.clock(replica, Action::Leave, 0).await
    }

    async fn clock(&self, replica: ReplicaId, action: Action, clock: u64) -> Result<Clock, ParametersError> {
        loop {
            // The first shard keeps the clocks of all.
            let Some(first) = self.shards().into_iter().next() else {
                return Err(super::PlacesError::None.into());
            };
            let ask = |mut client: pb::parameters_client::ParametersClient<_>, shard| {
                let request = pb::ClockRequest {
                    shard: Some(shard),
                    replica: Some(replica.into()),
                    action: action.into(),
                    clock,
                };
                async move { Ok(client.clock(request).await?.into_inner()) }
            };
            match first.call(ask).await {
                Err(ParametersError::Recut { .. }) => {}
                ended => {
                    let pb::ClockReply { clock, slowest, may_go_on } = ended?;
                    return Ok(Clock { clock, slowest, may_go_on });
                }
            }
        }
    }
}
