use howdah_paramserver::client::{Combined, Parameters, ParametersError, ReplicaClient, Wanted};
use howdah_proto::{ReplicaId, Step, fence::Fence};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{TaskError, gate::Gate};
use crate::task::{CancelFlag, wait::wait};

/// The traffic of one replica with the shards: a push, and the pull after it, go on while the replica computes.
///
/// It stays with the slot when an attempt ends, so that what is under way then is not lost.
pub(in crate::task) struct Exchange {
    id: ReplicaId,
    parameters: Parameters,
    state: State,
}

enum State {
    Here(Box<ReplicaClient>),
    Away(JoinHandle<Landed>),
    /// The flight broke off by a bug.
    Lost,
}

struct Landed {
    client: Box<ReplicaClient>,
    outcome: Result<Combined, ParametersError>,
}

/// What is sent on its way.
pub(super) struct Flight {
    pub(super) fence: Fence,
    pub(super) then: Then,
    /// Where replicas wait for each other before they go on.
    pub(super) gate: Option<Gate>,
}

/// What follows a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: it was the last one, or nobody wants weights.
    Nothing,
    /// A pull, while the replica computes on the weights of the pull before.
    PullAhead,
    /// A pull, which the replica waits for.
    Pull,
}

/// What came of the push that was on its way.
pub(super) enum Answer {
    /// Nothing was on its way.
    Nothing,
    /// Every shard has it.
    Accepted,
    /// Some shard has less than the push assumed: go on after this mark.
    Gap(Step),
}

impl Exchange {
    pub(in crate::task) fn new(client: ReplicaClient) -> Self {
        let (id, parameters) = (client.id(), client.parameters().clone());
        Self { id, parameters, state: State::Here(Box::new(client)) }
    }

    /// Whether it is that of a replica with these shards, and there is a client or will be when what is under way
    /// has landed.
    pub(in crate::task) fn is_of(&self, id: ReplicaId, parameters: &Parameters) -> bool {
        self.id == id && self.parameters.is_same(parameters) && !matches!(self.state, State::Lost)
    }

    /// The client, when what is under way has landed.
    pub(super) fn client(
        &mut self,
        runtime: &Handle,
        cancel: &CancelFlag,
    ) -> Result<&mut ReplicaClient, TaskError> {
        if matches!(self.state, State::Away(_)) {
            self.land(runtime, cancel)?;
        }
        match &mut self.state {
            State::Here(client) => Ok(client),
            State::Away(_) | State::Lost => Err(TaskError::Panicked("an exchange broke off".to_owned())),
        }
    }

    /// Sends the client's payload on its way.
    pub(super) fn start(&mut self, runtime: &Handle, cancel: &CancelFlag, flight: Flight) {
        if let State::Here(client) = std::mem::replace(&mut self.state, State::Lost) {
            let (handle, cancel) = (runtime.clone(), cancel.clone());
            // Encoding takes its time, which the threads of the network haven't.
            let fly = move || handle.block_on(fly(client, flight, cancel));
            self.state = State::Away(runtime.spawn_blocking(fly));
        }
    }

    /// Waits for what is on its way.
    pub(super) fn wait(&mut self, runtime: &Handle, cancel: &CancelFlag) -> Result<Answer, TaskError> {
        let Some(outcome) = self.land(runtime, cancel)? else { return Ok(Answer::Nothing) };
        match outcome? {
            Combined::Accepted => Ok(Answer::Accepted),
            Combined::Superseded { .. } => Err(TaskError::Superseded),
            Combined::Gap { mark } => Ok(Answer::Gap(mark)),
        }
    }

    fn land(
        &mut self,
        runtime: &Handle,
        cancel: &CancelFlag,
    ) -> Result<Option<Result<Combined, ParametersError>>, TaskError> {
        let State::Away(flight) = &mut self.state else { return Ok(None) };
        let landed = wait(runtime, cancel, flight)?;
        self.state = State::Lost;
        let Landed { client, outcome } = landed.map_err(|error| TaskError::Panicked(error.to_string()))?;
        self.state = State::Here(client);
        Ok(Some(outcome))
    }
}

async fn fly(mut client: Box<ReplicaClient>, flight: Flight, cancel: CancelFlag) -> Landed {
    let outcome = exchange(&mut client, flight, &cancel).await;
    Landed { client, outcome }
}

async fn exchange(
    client: &mut ReplicaClient,
    flight: Flight,
    cancel: &CancelFlag,
) -> Result<Combined, ParametersError> {
    let Flight { fence, then, gate } = flight;
    let outcome = client.push(&fence).await?;
    // An attempt that is no longer wanted has left the gate, or will: nobody must wait for it.
    if outcome != Combined::Accepted || cancel.check().is_err() {
        return Ok(outcome);
    }
    if let Some(gate) = gate {
        gate.pass(cancel).await?;
    }
    match then {
        Then::Nothing => {}
        Then::PullAhead => {
            // What the replica has merged meanwhile is the pull before.
            client.adopt();
            client.pull(Wanted::Latest).await?;
        }
        Then::Pull => {
            client.pull(Wanted::Latest).await?;
            client.adopt();
        }
    }
    Ok(outcome)
}
