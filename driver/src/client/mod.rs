//! The client of a driver: submits jobs, follows them, and fetches their models.

use std::time::Duration;

use bytes::BytesMut;
use futures::{Stream, TryStreamExt};
use howdah_proto::{
    JobId, PROTOCOL_VERSION,
    event::Recorded,
    pb::{self, contexts_client::ContextsClient, jobs_client::JobsClient},
    settings::TrainSettings,
    transport::{ConnectError, MESSAGE_LIMIT_BYTES, connect_to_driver},
};
use tokio::time::timeout;
use tonic::{Code, Response, Status, transport::Channel};

/// How long a driver may take to answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// A request to a driver that failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The driver can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The driver is gone, or the way to it.
    #[error("lost the driver at {address}: {reason}")]
    Lost {
        /// Where it was.
        address: String,
        /// How that was noticed.
        reason: String,
    },
    /// The driver is there, and doesn't answer.
    #[error("the driver at {address} hasn't answered for {} s; is it stopped?", after.as_secs())]
    Silent {
        /// Where it is.
        address: String,
        /// For how long.
        after: Duration,
    },
    /// The driver refuses.
    #[error("the driver at {address} refuses: {reason}")]
    Refused {
        /// Where it is.
        address: String,
        /// Why.
        reason: String,
    },
    /// The driver sends something that can't be understood.
    #[error("the driver at {address} sent an event that can't be read: {reason}")]
    Event {
        /// Where it is.
        address: String,
        /// Why.
        reason: String,
    },
}

/// A connection to a driver.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    jobs: JobsClient<Channel>,
    contexts: ContextsClient<Channel>,
}

impl Client {
    /// Connects to the driver at `http://host:port`.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        let channel = connect_to_driver(address).await?;
        let jobs = JobsClient::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
        let contexts = ContextsClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
        Ok(Self { address: address.to_owned(), jobs, contexts })
    }

    /// Submits a training job.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit(&mut self, name: &str, settings: &TrainSettings) -> Result<JobId, ClientError> {
        // Settings are plain fields, which always serialise; the driver would refuse an empty text.
        let settings = serde_json::to_string(settings).unwrap_or_default();
        let request =
            pb::SubmitRequest { protocol_version: PROTOCOL_VERSION, name: name.to_owned(), settings };
        let reply = answer(&self.address, self.jobs.submit(request)).await?;
        Ok(JobId(reply.job_id))
    }

    /// Follows a job from its first event to its last.
    ///
    /// # Errors
    /// [`ClientError`], at once or in the stream.
    pub async fn watch(
        &mut self,
        job: JobId,
    ) -> Result<impl Stream<Item = Result<Recorded, ClientError>> + use<>, ClientError> {
        let request = pb::WatchRequest { job_id: job.0, from_sequence: 0 };
        let events = answer(&self.address, self.jobs.watch(request)).await?;
        let (lost, unread) = (self.address.clone(), self.address.clone());
        Ok(events.map_err(move |status| failure(&lost, &status)).and_then(move |event| {
            let address = unread.clone();
            std::future::ready(
                serde_json::from_str(&event.event)
                    .map_err(|error| ClientError::Event { address, reason: error.to_string() }),
            )
        }))
    }

    /// Cancels a job; one that has ended stays as it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel(&mut self, job: JobId, reason: &str) -> Result<(), ClientError> {
        let request = pb::CancelJobRequest { job_id: job.0, reason: reason.to_owned() };
        answer(&self.address, self.jobs.cancel(request)).await.map(drop)
    }

    /// Has the parameters of a job that trains spread over another number of shards.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reshard(&mut self, job: JobId, shards: u32) -> Result<(), ClientError> {
        let request = pb::ReshardRequest { job_id: job.0, shards };
        answer(&self.address, self.jobs.reshard(request)).await.map(drop)
    }

    /// Fetches the model of a finished job, as the bytes of its file.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn model(&mut self, job: JobId) -> Result<BytesMut, ClientError> {
        let request = pb::ModelRequest { job_id: job.0 };
        let mut chunks = answer(&self.address, self.jobs.model(request)).await?;
        let mut model = BytesMut::new();
        while let Some(chunk) = within(&self.address, chunks.message()).await? {
            model.extend_from_slice(&chunk.data);
        }
        Ok(model)
    }

    /// Lists the members of the cluster.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn members(&mut self) -> Result<Vec<pb::Member>, ClientError> {
        Ok(answer(&self.address, self.jobs.members(pb::MembersRequest {})).await?.members)
    }

    /// Lists the training jobs that have not ended.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn running(&mut self) -> Result<Vec<pb::RunningJob>, ClientError> {
        Ok(answer(&self.address, self.jobs.running(pb::RunningRequest {})).await?.jobs)
    }

    /// Describes the contexts of programs and the training jobs, or one of them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe(&mut self, context_id: Option<u64>) -> Result<pb::Description, ClientError> {
        let request = pb::DescribeRequest { context_id };
        answer(&self.address, self.contexts.describe(request)).await
    }
}

/// Waits for an answer, but not for a driver that stands still.
async fn answer<T>(
    address: &str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, ClientError> {
    within(address, call).await.map(Response::into_inner)
}

async fn within<T>(address: &str, call: impl Future<Output = Result<T, Status>>) -> Result<T, ClientError> {
    match timeout(ANSWER, call).await {
        Ok(answered) => answered.map_err(|status| failure(address, &status)),
        Err(_) => Err(ClientError::Silent { address: address.to_owned(), after: ANSWER }),
    }
}

fn failure(address: &str, status: &Status) -> ClientError {
    let (address, reason) = (address.to_owned(), status.message().to_owned());
    if is_loss(status) {
        ClientError::Lost { address, reason }
    } else {
        ClientError::Refused { address, reason }
    }
}

/// Tells a driver that is gone, or the way to it, from one that refuses.
pub(crate) fn is_loss(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_stands_still_is_not_waited_for_without_end() {
        let never = std::future::pending::<Result<Response<()>, Status>>();
        let error = answer("http://a:1", never).await.unwrap_err().to_string();
        assert_eq!(error, "the driver at http://a:1 hasn't answered for 30 s; is it stopped?");
    }
}
