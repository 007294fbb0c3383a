use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tonic::{
    Status,
    body::Body,
    codegen::{BoxStream, http::HeaderMap},
};

use super::frame::{Carrier, Part, put_data_prefix, put_message};

/// A stream of messages on its way out.
pub type Parts<M> = BoxStream<Part<M>>;

/// Data up to this length is copied behind what goes before it, so that both leave together.
const COPIED_BYTES: usize = 16 << 10;

/// Messages as the body of a request or a reply.
struct Outgoing<M> {
    parts: Parts<M>,
    data: Option<Bytes>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Request,
    Reply,
    Ended,
}

/// Makes the body of a request; an error among the parts cuts it off.
pub(super) fn request<M: Carrier + 'static>(parts: Parts<M>) -> Body {
    Body::new(Outgoing { parts, data: None, end: End::Request })
}

/// Makes the body of a reply, which ends with a status: that of the first error, or that all is well.
pub(super) fn reply<M: Carrier + 'static>(parts: Parts<M>) -> Body {
    Body::new(Outgoing { parts, data: None, end: End::Reply })
}

fn encoded<M: Carrier>(part: Part<M>) -> Result<(Bytes, Option<Bytes>), Status> {
    let mut out = BytesMut::new();
    let data = match part {
        Part::Message(message) => {
            put_message(&message, &mut out)?;
            None
        }
        Part::Data(data) => {
            put_data_prefix::<M>(data.len(), &mut out)?;
            if data.len() <= COPIED_BYTES {
                out.extend_from_slice(&data);
                None
            } else {
                Some(data)
            }
        }
    };
    Ok((out.freeze(), data))
}

impl<M: Carrier> Outgoing<M> {
    fn next(&mut self, part: Option<Result<Part<M>, Status>>) -> Option<Result<Frame<Bytes>, Status>> {
        let status = match part.map(|part| part.and_then(encoded)) {
            Some(Ok((start, data))) => {
                self.data = data;
                return Some(Ok(Frame::data(start)));
            }
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        match std::mem::replace(&mut self.end, End::Ended) {
            End::Request if status.code() == tonic::Code::Ok => None,
            End::Request => Some(Err(status)),
            End::Reply => {
                let mut trailers = HeaderMap::new();
                Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers)))
            }
            End::Ended => None,
        }
    }
}

impl<M: Carrier> http_body::Body for Outgoing<M> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if let Some(data) = this.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if this.end == End::Ended {
            return Poll::Ready(None);
        }
        let part = ready!(this.parts.as_mut().poll_next(context));
        Poll::Ready(this.next(part))
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Ended
    }
}
