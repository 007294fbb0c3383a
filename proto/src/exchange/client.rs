use std::future::poll_fn;

use tonic::{
    Status,
    body::Body,
    codegen::{
        Service,
        http::{HeaderValue, Method, Request, StatusCode, header, uri::PathAndQuery},
        tokio_stream,
    },
    transport::Channel,
};

use super::{
    frame::{Carrier, Part},
    incoming::{self, Incoming},
    outgoing::{self, Parts},
};
use crate::pb;

/// A client of the calls that carry weights; clones share its connection.
#[derive(Debug, Clone)]
pub struct ExchangeClient {
    channel: Channel,
}

impl ExchangeClient {
    /// Makes a client on a connection.
    pub fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Pushes: `parts` are the header and then data.
    ///
    /// # Errors
    /// The server's status, or that of the connection.
    pub async fn push(&self, parts: Parts<pb::PushRequest>) -> Result<pb::PushReply, Status> {
        self.call("/howdah.v1.Exchange/Push", parts).await?.message().await
    }

    /// Sets the initial weights: `parts` are the shard and then data.
    ///
    /// # Errors
    /// The server's status, or that of the connection.
    pub async fn write(&self, parts: Parts<pb::WriteRequest>) -> Result<pb::WriteReply, Status> {
        self.call("/howdah.v1.Exchange/Write", parts).await?.message().await
    }

    /// Pulls: what comes is a header and then data.
    ///
    /// # Errors
    /// The server's status, or that of the connection.
    pub async fn pull(&self, request: pb::PullRequest) -> Result<Incoming<pb::PullReply>, Status> {
        let parts = tokio_stream::once(Ok(Part::Message(request)));
        self.call("/howdah.v1.Exchange/Pull", Box::pin(parts)).await
    }

    /// Sends a primary's pushes to its standby, and gives its acknowledgements.
    ///
    /// # Errors
    /// The server's status, or that of the connection.
    pub async fn replicate(
        &self,
        parts: Parts<pb::ReplicateRequest>,
    ) -> Result<Incoming<pb::ReplicateReply>, Status> {
        self.call("/howdah.v1.Exchange/Replicate", parts).await
    }

    async fn call<M: Carrier + 'static, R: Carrier>(
        &self,
        path: &'static str,
        parts: Parts<M>,
    ) -> Result<Incoming<R>, Status> {
        let mut request = Request::new(outgoing::request(parts));
        *request.method_mut() = Method::POST;
        *request.version_mut() = tonic::codegen::http::Version::HTTP_2;
        *request.uri_mut() = PathAndQuery::from_static(path).into();
        let headers = request.headers_mut();
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut channel = self.channel.clone();
        let lost = |error: tonic::transport::Error| Status::from_error(error.into());
        poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut channel, context)).await.map_err(lost)?;
        let response = channel.call(request).await.map_err(lost)?;
        if response.status() != StatusCode::OK {
            return Err(Status::unknown(format!("HTTP status {} came back", response.status())));
        }
        // An error may come in place of any reply.
        if response.headers().contains_key("grpc-status") {
            incoming::status(response.headers())?;
        }
        Ok(Incoming::reply(response.into_body()))
    }
}
