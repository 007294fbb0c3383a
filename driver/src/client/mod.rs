//! The client of a driver: submits jobs, follows them, and fetches their models.

use bytes::BytesMut;
use futures::{Stream, TryStreamExt};
use howdah_proto::{
    JobId, PROTOCOL_VERSION,
    event::Recorded,
    pb::{self, contexts_client::ContextsClient, jobs_client::JobsClient},
    settings::TrainSettings,
    transport::{ConnectError, MESSAGE_LIMIT_BYTES, connect_to_driver},
};
use tonic::{Code, Status, transport::Channel};

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
        let reply = self.jobs.submit(request).await.map_err(|status| self.failed(&status))?;
        Ok(JobId(reply.into_inner().job_id))
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
        let events = self.jobs.watch(request).await.map_err(|status| self.failed(&status))?.into_inner();
        let (lost, unread) = (self.clone(), self.address.clone());
        Ok(events.map_err(move |status| lost.failed(&status)).and_then(move |event| {
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
        self.jobs.cancel(request).await.map_err(|status| self.failed(&status))?;
        Ok(())
    }

    /// Has the parameters of a job that trains spread over another number of shards.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reshard(&mut self, job: JobId, shards: u32) -> Result<(), ClientError> {
        let request = pb::ReshardRequest { job_id: job.0, shards };
        self.jobs.reshard(request).await.map_err(|status| self.failed(&status))?;
        Ok(())
    }

    /// Fetches the model of a finished job, as the bytes of its file.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn model(&mut self, job: JobId) -> Result<BytesMut, ClientError> {
        let request = pb::ModelRequest { job_id: job.0 };
        let mut chunks = self.jobs.model(request).await.map_err(|status| self.failed(&status))?.into_inner();
        let mut model = BytesMut::new();
        while let Some(chunk) = chunks.message().await.map_err(|status| self.failed(&status))? {
            model.extend_from_slice(&chunk.data);
        }
        Ok(model)
    }

    /// Lists the members of the cluster.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn members(&mut self) -> Result<Vec<pb::Member>, ClientError> {
        let reply = self.jobs.members(pb::MembersRequest {}).await.map_err(|status| self.failed(&status))?;
        Ok(reply.into_inner().members)
    }

    /// Lists the training jobs that have not ended.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn running(&mut self) -> Result<Vec<pb::RunningJob>, ClientError> {
        let reply = self.jobs.running(pb::RunningRequest {}).await.map_err(|status| self.failed(&status))?;
        Ok(reply.into_inner().jobs)
    }

    /// Describes the contexts of programs and the training jobs, or one of them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe(&mut self, context_id: Option<u64>) -> Result<pb::Description, ClientError> {
        let request = pb::DescribeRequest { context_id };
        Ok(self.contexts.describe(request).await.map_err(|status| self.failed(&status))?.into_inner())
    }

    fn failed(&self, status: &Status) -> ClientError {
        let (address, reason) = (self.address.clone(), status.message().to_owned());
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => {
                ClientError::Lost { address, reason }
            }
            _ => ClientError::Refused { address, reason },
        }
    }
}
