use std::{future::poll_fn, pin::Pin};

use bytes::Bytes;
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Body as _, http::HeaderMap},
};

use super::{
    frame::{Carrier, Part},
    parse::Parser,
};

/// A stream of messages as it comes in.
#[derive(Debug)]
pub struct Incoming<M> {
    body: Body,
    parser: Parser<M>,
    unread: Bytes,
    end: End,
}

/// What tells that a stream is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A request ends when its sender says so.
    Request,
    /// A reply ends with a status.
    Reply,
}

impl<M: Carrier> Incoming<M> {
    pub(super) fn request(body: Body) -> Self {
        Self::new(body, End::Request)
    }

    pub(super) fn reply(body: Body) -> Self {
        Self::new(body, End::Reply)
    }

    fn new(body: Body, end: End) -> Self {
        Self { body, parser: Parser::default(), unread: Bytes::new(), end }
    }

    /// Waits for the next part; none at the end.
    ///
    /// # Errors
    /// The sender's status, or what is wrong with what it sends.
    pub async fn next(&mut self) -> Result<Option<Part<M>>, Status> {
        loop {
            if let Some(part) = self.parser.next(&mut self.unread)? {
                return Ok(Some(part));
            }
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                Some(frame) => match frame?.into_data() {
                    Ok(data) => self.unread = data,
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return self.ended(status(&trailers));
                        }
                    }
                },
                None if self.end == End::Request => return self.ended(Ok(())),
                None => return Err(Status::unknown("the reply was cut off before its status")),
            }
        }
    }

    /// Waits for a message that must be next.
    ///
    /// # Errors
    /// Those of [`Self::next`], and one if something else comes.
    pub async fn message(&mut self) -> Result<M, Status> {
        match self.next().await? {
            Some(Part::Message(message)) => Ok(message),
            Some(Part::Data(_)) | None => Err(Status::invalid_argument("a message is missing")),
        }
    }

    fn ended(&self, status: Result<(), Status>) -> Result<Option<Part<M>>, Status> {
        status?;
        if self.parser.is_between_messages() {
            Ok(None)
        } else {
            Err(Status::invalid_argument("the stream ended within a message"))
        }
    }
}

/// The status among headers or trailers.
pub(super) fn status(headers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() == Code::Ok => Ok(()),
        Some(status) => Err(status),
        None => Err(Status::unknown("the reply has no status")),
    }
}
