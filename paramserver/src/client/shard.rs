use std::sync::Arc;

use futures::{StreamExt, stream};
use howdah_proto::{
    Attempt, JobId, Step,
    fence::{Fence, TrainTask},
    pb::{self, parameters_client::ParametersClient, push_reply::Outcome},
    settings::UpdateRule,
    transport::{self, CHUNK_BYTES},
};
use tokio::sync::Semaphore;
use tonic::transport::Channel;

use super::{
    ParametersError, Patience, Place, PlacesError, Values, Version,
    call::{Failure, Tries},
};
use crate::{
    server::MESSAGE_LIMIT_BYTES,
    shard::{PushOutcome, Seen},
};

/// A client of one shard; clones share its connection.
#[derive(Debug, Clone)]
pub struct ShardClient {
    place: Place,
    shard: pb::ShardRef,
    client: ParametersClient<Channel>,
    patience: Patience,
    // Pushes that wait for room at the server would fill the connection's window and hold up the one that has
    // room, so one goes at a time.
    sender: Arc<Semaphore>,
}

impl ShardClient {
    /// Makes a client; the connection is made with the first call.
    ///
    /// # Errors
    /// [`ParametersError::Places`] if the address can't be dialled.
    pub fn new(job: JobId, place: Place, patience: Patience) -> Result<Self, ParametersError> {
        let endpoint = transport::endpoint(&place.address)
            .map_err(|error| PlacesError::Address { shard: place.shard, reason: error.to_string() })?;
        let client = ParametersClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
            .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
        let shard = pb::ShardRef { job_id: job.0, shard: place.shard.0 };
        Ok(Self { place, shard, client, patience, sender: Arc::new(Semaphore::new(1)) })
    }

    /// Tells where the shard is and what it holds.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Makes the shard, all zeros.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn create(&self, rule: &UpdateRule) -> Result<(), ParametersError> {
        let rule = serde_json::to_string(rule).map_err(|error| self.protocol(error.to_string()))?;
        let (start, len) = (self.place.range.start, self.len());
        let request = pb::CreateShardRequest { shard: Some(self.shard), start, len, rule };
        self.call(move |mut client| {
            let request = request.clone();
            async move { Ok(client.create(request).await.map(drop)?) }
        })
        .await
    }

    /// Sets the initial weights.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn write(&self, values: &Values) -> Result<(), ParametersError> {
        use pb::write_request::Part;
        self.check_len(values.len())?;
        let header = self.shard;
        self.call(move |mut client| {
            let data = stream::iter(values.chunks(CHUNK_BYTES)).map(Part::Data);
            let parts = stream::iter([Part::Header(header)]).chain(data);
            let stream = parts.map(|part| pb::WriteRequest { part: Some(part) });
            let sender = Arc::clone(&self.sender);
            async move {
                let _turn = sender.acquire().await;
                Ok(client.write(stream).await.map(drop)?)
            }
        })
        .await
    }

    /// Copies the shard's weights to `into`, and tells how many pushes had been applied when the pull began.
    ///
    /// # Errors
    /// [`ParametersError`]; the contents of `into` are then unspecified.
    pub async fn pull(&self, into: &mut [f32], version: Version) -> Result<u64, ParametersError> {
        self.check_len(into.len() as u64)?;
        let tag = match version {
            Version::Latest => None,
            Version::Tag(tag) => Some(tag),
        };
        let request = pb::PullRequest { shard: Some(self.shard), tag };
        let mut tries = Tries::new(&self.place, self.patience);
        loop {
            let one_try = async {
                let mut replies = self.client.clone().pull(request).await?.into_inner();
                receive(&mut replies, bytemuck::cast_slice_mut(&mut *into)).await
            };
            if let Some(version) = tries.run(one_try).await? {
                return Ok(version);
            }
        }
    }

    /// Pushes the sum over the fence's steps.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn push(&self, values: &Values, fence: &Fence) -> Result<PushOutcome, ParametersError> {
        use pb::push_request::Part;
        self.check_len(values.len())?;
        let header = pb::PushHeader { shard: Some(self.shard), fence: Some((*fence).into()) };
        let push = move |mut client: ParametersClient<Channel>| {
            let data = stream::iter(values.chunks(CHUNK_BYTES)).map(Part::Data);
            let parts = stream::iter([Part::Header(header)]).chain(data);
            let stream = parts.map(|part| pb::PushRequest { part: Some(part) });
            let sender = Arc::clone(&self.sender);
            async move {
                let _turn = sender.acquire().await;
                Ok(client.push(stream).await?.into_inner())
            }
        };
        let reply = self.call(push).await?;
        let (mark, highest) = (Step(reply.mark), Attempt(reply.highest_attempt));
        match reply.outcome() {
            Outcome::Applied => Ok(PushOutcome::Applied { mark }),
            Outcome::AlreadyApplied => Ok(PushOutcome::AlreadyApplied { mark }),
            Outcome::Superseded => Ok(PushOutcome::Superseded { highest }),
            Outcome::Gap => Ok(PushOutcome::Gap { mark }),
            Outcome::Unspecified => Err(self.protocol("a push has no outcome".to_owned())),
        }
    }

    /// Asks for the mark of a task on behalf of an attempt, which supersedes lower ones by that.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn mark(&self, task: TrainTask, attempt: Attempt) -> Result<Seen, ParametersError> {
        let request =
            pb::MarkRequest { shard: Some(self.shard), task: Some(task.into()), attempt: attempt.0 };
        let reply =
            self.call(move |mut client| async move { Ok(client.mark(request).await?.into_inner()) }).await?;
        Ok(Seen { mark: Step(reply.mark), highest: Attempt(reply.highest_attempt) })
    }

    /// Keeps a copy of the weights under a tag; a tag that exists stays as it is.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn tag(&self, tag: u64) -> Result<(), ParametersError> {
        let request = pb::TagRequest { shard: Some(self.shard), tag };
        self.call(move |mut client| async move { Ok(client.tag(request).await.map(drop)?) }).await
    }

    /// Drops a tag, if it is there.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn untag(&self, tag: u64) -> Result<(), ParametersError> {
        let request = pb::TagRequest { shard: Some(self.shard), tag };
        self.call(move |mut client| async move { Ok(client.untag(request).await.map(drop)?) }).await
    }

    /// Asks for the shard's counters.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn status(&self) -> Result<pb::ShardStatus, ParametersError> {
        let shard = self.shard;
        self.call(move |mut client| async move { Ok(client.status(shard).await?.into_inner()) }).await
    }

    /// Drops all shards of the job from this shard's server.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn drop_job(&self) -> Result<(), ParametersError> {
        let request = pb::DropShardsRequest { job_id: self.shard.job_id };
        self.call(move |mut client| async move { Ok(client.drop_job(request).await.map(drop)?) }).await
    }

    fn len(&self) -> u64 {
        self.place.range.end - self.place.range.start
    }

    fn check_len(&self, given: u64) -> Result<(), ParametersError> {
        let parameters = self.len();
        if given == parameters { Ok(()) } else { Err(ParametersError::Buffer { given, parameters }) }
    }

    fn protocol(&self, reason: String) -> ParametersError {
        ParametersError::Protocol { shard: self.place.shard, address: self.place.address.clone(), reason }
    }

    async fn call<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        mut one_try: impl FnMut(ParametersClient<Channel>) -> F,
    ) -> Result<T, ParametersError> {
        let mut tries = Tries::new(&self.place, self.patience);
        loop {
            if let Some(value) = tries.run(one_try(self.client.clone())).await? {
                return Ok(value);
            }
        }
    }
}

/// Fills `into` from a stream of weights, exactly.
async fn receive(replies: &mut tonic::Streaming<pb::PullReply>, into: &mut [u8]) -> Result<u64, Failure> {
    use pb::pull_reply::Part;
    let wrong = |what: String| Failure::Protocol(what);
    let Some(Part::Header(header)) = replies.message().await?.and_then(|reply| reply.part) else {
        return Err(wrong("a pull begins without its header".to_owned()));
    };
    let expected = (into.len() / size_of::<f32>()) as u64;
    if header.values != expected {
        return Err(wrong(format!("it has {} values instead of {expected}", header.values)));
    }
    let mut filled = 0;
    while let Some(reply) = replies.message().await? {
        let Some(Part::Data(data)) = reply.part else {
            return Err(wrong("a pull has two headers".to_owned()));
        };
        let end = filled + data.len();
        let room = into.get_mut(filled..end).ok_or_else(|| wrong("it sends too many values".to_owned()))?;
        room.copy_from_slice(&data);
        filled = end;
    }
    if filled == into.len() { Ok(header.version) } else { Err(wrong("it sends too few values".to_owned())) }
}
