use howdah_proto::{
    Attempt, JobId, Step,
    fence::{Fence, TrainTask},
    pb::{self, parameters_client::ParametersClient},
    settings::{Encoding, ShardSpec},
};
use tonic::transport::Channel;

use super::{
    ParametersError, Patience, Place, Values,
    call::{Failure, Follows, Tries},
    connection::Connection,
    layout::Moves,
    transfer::parts,
};
use crate::shard::{PushOutcome, Seen};

/// A client of one shard; clones share its connection.
///
/// One of [`Parameters`](super::Parameters) follows its shard when that moves, until the parameters are cut into
/// other shards: then it answers [`ParametersError::Recut`].
#[derive(Debug, Clone)]
pub struct ShardClient {
    connection: Connection,
    moves: Option<Moves>,
    patience: Patience,
}

impl ShardClient {
    /// Makes a client that stays at one place; the connection is made with the first call.
    ///
    /// # Errors
    /// [`ParametersError::Places`] if the address can't be dialled.
    pub fn new(job: JobId, place: Place, patience: Patience) -> Result<Self, ParametersError> {
        Ok(Self { connection: Connection::new(job, place)?, moves: None, patience })
    }

    pub(super) fn following(connection: Connection, moves: Moves, patience: Patience) -> Self {
        Self { connection, moves: Some(moves), patience }
    }

    /// Tells where the shard was, and what it held, when the client was made.
    pub fn place(&self) -> &Place {
        &self.connection.place
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn tries(&self) -> Tries {
        self.tries_that(Follows::Always)
    }

    pub(super) fn tries_that(&self, follows: Follows) -> Tries {
        Tries::new(self.connection.clone(), self.moves.clone(), follows, self.patience)
    }

    /// Makes the shard, all zeros.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn create(&self, spec: &ShardSpec) -> Result<(), ParametersError> {
        let spec = self.spec(spec)?;
        let (start, len) = (self.place().range.start, self.connection.len());
        self.call(move |mut client, shard| {
            let request = pb::CreateShardRequest { shard: Some(shard), start, len, spec: spec.clone() };
            async move { Ok(client.create(request).await.map(drop)?) }
        })
        .await
    }

    /// Sets the initial weights.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn write(&self, values: &Values) -> Result<(), ParametersError> {
        self.check_len(values.len())?;
        let mut tries = self.tries();
        loop {
            let Connection { shard, exchange, sender, .. } = tries.connection();
            let header = pb::WriteRequest { part: Some(pb::write_request::Part::Header(shard)) };
            let one_try = async {
                let _turn = sender.acquire().await;
                Ok(exchange.write(parts(header, values.bytes().clone())).await.map(drop)?)
            };
            if tries.run(one_try).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Pushes the sum over the fence's steps, as it is.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn push(&self, values: &Values, fence: &Fence) -> Result<PushOutcome, ParametersError> {
        self.check_len(values.len())?;
        let header = pb::PushHeader { fence: Some((*fence).into()), ..Default::default() };
        self.send(header, Encoding::F32, values.bytes().clone(), Follows::Always)
            .await
            .map(|sent| sent.outcome)
    }

    /// Asks for the mark of a task on behalf of an attempt, which supersedes lower ones by that.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn mark(&self, task: TrainTask, attempt: Attempt) -> Result<Seen, ParametersError> {
        let ask = move |mut client: ParametersClient<Channel>, shard| {
            let request = pb::MarkRequest { shard: Some(shard), task: Some(task.into()), attempt: attempt.0 };
            async move { Ok(client.mark(request).await?.into_inner()) }
        };
        let reply = self.call(ask).await?;
        Ok(Seen { mark: Step(reply.mark), highest: Attempt(reply.highest_attempt) })
    }

    /// Keeps a copy of the weights under a tag; a tag that exists stays as it is.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn tag(&self, tag: u64) -> Result<(), ParametersError> {
        self.call(move |mut client, shard| {
            let request = pb::TagRequest { shard: Some(shard), tag };
            async move { Ok(client.tag(request).await.map(drop)?) }
        })
        .await
    }

    /// Drops a tag, if it is there.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn untag(&self, tag: u64) -> Result<(), ParametersError> {
        self.call(move |mut client, shard| {
            let request = pb::TagRequest { shard: Some(shard), tag };
            async move { Ok(client.untag(request).await.map(drop)?) }
        })
        .await
    }

    /// Asks for the shard's counters.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn status(&self) -> Result<pb::ShardStatus, ParametersError> {
        self.call(move |mut client, shard| async move { Ok(client.status(shard).await?.into_inner()) }).await
    }

    /// Drops from this shard's server what the shards that are served now have replaced.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn drop_replaced(&self, served: &[pb::ShardPlace]) -> Result<(), ParametersError> {
        let job_id = self.connection.shard.job_id;
        let reference = |at: &pb::ShardPlace| pb::ShardRef { job_id, shard: at.shard, term: at.term };
        let request = pb::DropReplacedRequest { job_id, shards: served.iter().map(reference).collect() };
        let ask = move |mut client: ParametersClient<Channel>, _| {
            let request = request.clone();
            async move { Ok(client.drop_replaced(request).await.map(drop)?) }
        };
        self.call(ask).await
    }

    /// Drops the shard from this place's server if it is a standby there, of this pairing of its primary or an earlier one.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub(crate) async fn drop_standby(&self, pairing: u64) -> Result<(), ParametersError> {
        let ask = move |mut client: ParametersClient<Channel>, shard| {
            let request = pb::DropStandbyRequest { shard: Some(shard), pairing };
            async move { Ok(client.drop_standby(request).await.map(drop)?) }
        };
        self.call(ask).await
    }

    /// Drops all shards of the job from this shard's server.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn drop_job(&self) -> Result<(), ParametersError> {
        let request = pb::DropShardsRequest { job_id: self.connection.shard.job_id };
        self.call(move |mut client, _| async move { Ok(client.drop_job(request).await.map(drop)?) }).await
    }

    pub(super) fn check_len(&self, given: u64) -> Result<(), ParametersError> {
        let parameters = self.connection.len();
        if given == parameters { Ok(()) } else { Err(ParametersError::Buffer { given, parameters }) }
    }

    pub(super) fn spec(&self, spec: &ShardSpec) -> Result<String, ParametersError> {
        serde_json::to_string(spec).map_err(|error| self.protocol(error.to_string()))
    }

    pub(super) fn protocol(&self, reason: String) -> ParametersError {
        ParametersError::Protocol { shard: self.place().shard, address: self.place().address.clone(), reason }
    }

    pub(super) async fn call<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        mut one_try: impl FnMut(ParametersClient<Channel>, pb::ShardRef) -> F,
    ) -> Result<T, ParametersError> {
        let mut tries = self.tries();
        loop {
            let Connection { client, shard, .. } = tries.connection();
            if let Some(value) = tries.run(one_try(client, shard)).await? {
                return Ok(value);
            }
        }
    }
}
