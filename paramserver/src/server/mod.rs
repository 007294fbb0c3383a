//! The parameter server: a thin gRPC shell over [`crate::shard`].
//!
//! A push is staged until it is complete and only then applied, so that a pusher that vanishes leaves no trace.
//! No lock is held while the network is waited for.

mod cell;
mod clocks;
mod control;
mod cuts;
mod exchange;
mod kept;
mod owned;
mod pull;
mod push;
mod receive;
mod refusal;
mod replication;
mod requests;
mod snapshot;
mod staging;
mod status;
mod table;
mod terms;

use std::sync::Arc;

use howdah_proto::{
    exchange::ExchangeServer, pb::parameters_server::ParametersServer, transport::MESSAGE_LIMIT_BYTES,
};
use tonic::service::Routes;

use staging::Staging;
use table::Table;

/// How many bytes of pushes are staged at a time unless told otherwise.
pub const STAGING_BYTES: u64 = 1 << 30;

/// A parameter server: the shards it holds and the pushes on their way to them.
#[derive(Debug, Clone)]
pub struct Paramserver {
    shards: Arc<Table>,
    staging: Arc<Staging>,
    /// For what primaries forward. Of the room for pushes, each of two servers that are standbys of each other could hold what
    /// the other waits for.
    forwarded: Arc<Staging>,
}

impl Default for Paramserver {
    fn default() -> Self {
        Self::new(STAGING_BYTES)
    }
}

impl Paramserver {
    /// Makes a parameter server that stages at most `staging_bytes` of pushes at a time, and as much of what primaries
    /// forward to it; the others wait. A push that is larger than that is staged alone.
    pub fn new(staging_bytes: u64) -> Self {
        let room = || Arc::new(Staging::new(staging_bytes));
        Self { shards: Arc::default(), staging: room(), forwarded: room() }
    }

    /// Gives the gRPC services.
    pub fn routes(&self) -> Routes {
        let control = ParametersServer::new(self.clone())
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
            .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
        Routes::new(control).add_service(ExchangeServer::new(self.clone()))
    }

    /// Forgets all shards: the driver that they were made for is gone, and its jobs with it.
    pub fn clear(&self) {
        self.shards.clear();
    }

    /// Waits until no shard is served from here.
    pub async fn unused(&self) {
        self.shards.unused().await;
    }

    /// Tells how many bytes the shards take.
    pub fn used_bytes(&self) -> u64 {
        self.shards.bytes()
    }
}
