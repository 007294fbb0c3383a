use std::{convert::Infallible, future::Future, task::Poll};

use tonic::{
    Status,
    body::Body,
    codegen::{
        BoxFuture, Context, Service,
        http::{HeaderValue, Request, Response, header},
        tokio_stream,
    },
    server::NamedService,
};

use super::{
    frame::{Carrier, Part},
    incoming::Incoming,
    outgoing::{self, Parts},
};
use crate::pb;

/// What a parameter server does in the calls that carry weights.
pub trait Exchange: Clone + Send + Sync + 'static {
    /// Takes a push: a header and then data.
    fn push(
        &self,
        parts: Incoming<pb::PushRequest>,
    ) -> impl Future<Output = Result<pb::PushReply, Status>> + Send;

    /// Takes the initial weights: the shard and then data.
    fn write(
        &self,
        parts: Incoming<pb::WriteRequest>,
    ) -> impl Future<Output = Result<pb::WriteReply, Status>> + Send;

    /// Gives weights: a header and then data.
    fn pull(
        &self,
        request: pb::PullRequest,
    ) -> impl Future<Output = Result<Parts<pb::PullReply>, Status>> + Send;

    /// Takes the pushes of a primary, and acknowledges them.
    fn replicate(
        &self,
        parts: Incoming<pb::ReplicateRequest>,
    ) -> impl Future<Output = Result<Parts<pb::ReplicateReply>, Status>> + Send;
}

/// The gRPC service over an [`Exchange`].
#[derive(Debug, Clone)]
pub struct ExchangeServer<T> {
    exchange: T,
}

impl<T: Exchange> ExchangeServer<T> {
    /// Makes the service.
    pub fn new(exchange: T) -> Self {
        Self { exchange }
    }
}

impl<T> NamedService for ExchangeServer<T> {
    const NAME: &'static str = "howdah.v1.Exchange";
}

impl<T: Exchange> Service<Request<Body>> for ExchangeServer<T> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let exchange = self.exchange.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let replied = match parts.uri.path() {
                "/howdah.v1.Exchange/Push" => exchange.push(Incoming::request(body)).await.map(single),
                "/howdah.v1.Exchange/Write" => exchange.write(Incoming::request(body)).await.map(single),
                "/howdah.v1.Exchange/Pull" => match Incoming::request(body).message().await {
                    Ok(request) => exchange.pull(request).await.map(outgoing::reply),
                    Err(status) => Err(status),
                },
                "/howdah.v1.Exchange/Replicate" => {
                    exchange.replicate(Incoming::request(body)).await.map(outgoing::reply)
                }
                path => Err(Status::unimplemented(format!("there is no call {path}"))),
            };
            Ok(replied.map_or_else(Status::into_http, response))
        })
    }
}

fn single<M: Carrier + 'static>(message: M) -> Body {
    outgoing::reply(Box::pin(tokio_stream::once(Ok(Part::Message(message)))))
}

fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
