use std::sync::Arc;

use howdah_paramserver::client::{Combined, Parameters, ParametersError, Values, Version};
use howdah_proto::{Step, fence::Fence};
use tokio::{runtime::Handle, task::JoinHandle};

use super::TaskError;

/// Two buffers of the size of the parameters: what is pushed, and what is pulled after it.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) payload: Vec<f32>,
    pub(super) pulled: Vec<f32>,
}

impl Buffers {
    pub(super) fn new(parameters: usize) -> Self {
        Self { payload: vec![0.0; parameters], pulled: vec![0.0; parameters] }
    }
}

/// The traffic of one replica with the shards: a push, and the pull after it, go on while the replica computes.
pub(super) struct Exchange<'a> {
    parameters: &'a Arc<Parameters>,
    runtime: &'a Handle,
    flight: Option<JoinHandle<Landed>>,
}

struct Landed {
    buffers: Buffers,
    outcome: Result<Combined, ParametersError>,
}

/// What came of the push that was on its way.
pub(super) enum Answer {
    /// Nothing was on its way.
    Nothing,
    /// Every shard has it.
    Accepted(Buffers),
    /// Some shard has less than the push assumed: go on after this mark.
    Gap(Step, Buffers),
}

impl<'a> Exchange<'a> {
    pub(super) fn new(parameters: &'a Arc<Parameters>, runtime: &'a Handle) -> Self {
        Self { parameters, runtime, flight: None }
    }

    /// Sends the payload on its way, and asks for the weights after it if `pull` is set.
    pub(super) fn start(&mut self, buffers: Buffers, fence: Fence, pull: bool) {
        let parameters = Arc::clone(self.parameters);
        self.flight = Some(self.runtime.spawn(exchange(parameters, buffers, fence, pull)));
    }

    /// Waits for what is on its way.
    pub(super) fn wait(&mut self) -> Result<Answer, TaskError> {
        let Some(flight) = self.flight.take() else { return Ok(Answer::Nothing) };
        let landed = self.runtime.block_on(flight).map_err(|error| TaskError::Panicked(error.to_string()))?;
        match landed.outcome? {
            Combined::Accepted => Ok(Answer::Accepted(landed.buffers)),
            Combined::Superseded { .. } => Err(TaskError::Superseded),
            Combined::Gap { mark } => Ok(Answer::Gap(mark, landed.buffers)),
        }
    }
}

async fn exchange(parameters: Arc<Parameters>, buffers: Buffers, fence: Fence, pull: bool) -> Landed {
    let Buffers { payload, mut pulled } = buffers;
    let payload = Arc::new(payload);
    let mut outcome = parameters.push(&Values::from(Arc::clone(&payload)), &fence).await;
    if pull
        && matches!(outcome, Ok(Combined::Accepted))
        && let Err(error) = parameters.pull(&mut pulled, Version::Latest).await
    {
        outcome = Err(error);
    }
    // The transport has let go of the payload when every shard has answered; should it not, a new one is made.
    let payload = Arc::try_unwrap(payload).unwrap_or_else(|shared| vec![0.0; shared.len()]);
    Landed { buffers: Buffers { payload, pulled }, outcome }
}
