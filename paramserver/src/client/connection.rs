use std::sync::Arc;

use howdah_proto::{
    JobId,
    exchange::ExchangeClient,
    pb::{self, parameters_client::ParametersClient},
    transport::{self, MESSAGE_LIMIT_BYTES},
};
use tokio::sync::Semaphore;
use tonic::transport::Channel;

use super::{Place, PlacesError};

/// A connection to the server that has a shard; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) place: Place,
    pub(super) shard: pb::ShardRef,
    pub(super) client: ParametersClient<Channel>,
    pub(super) exchange: ExchangeClient,
    // Pushes that wait for room at the server hold a part of the connection's window each, which the one that has room
    // may need, so one goes at a time.
    pub(super) sender: Arc<Semaphore>,
}

impl Connection {
    /// Makes a connection, which is dialled with the first call.
    pub(super) fn new(job: JobId, place: Place) -> Result<Self, PlacesError> {
        let endpoint = transport::endpoint(&place.address)
            .map_err(|error| PlacesError::Address { shard: place.shard, reason: error.to_string() })?;
        let channel = endpoint.connect_lazy();
        let exchange = ExchangeClient::new(channel.clone());
        let client = ParametersClient::new(channel)
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
            .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
        let shard = pb::ShardRef { job_id: job.0, shard: place.shard.0, term: place.term.0 };
        Ok(Self { place, shard, client, exchange, sender: Arc::new(Semaphore::new(1)) })
    }

    /// The same connection to a shard that has another range or term there.
    pub(super) fn replaced(&self, place: Place) -> Self {
        let shard = pb::ShardRef { term: place.term.0, shard: place.shard.0, ..self.shard };
        Self { place, shard, ..self.clone() }
    }

    pub(super) fn len(&self) -> u64 {
        self.place.range.end - self.place.range.start
    }
}
