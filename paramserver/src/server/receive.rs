use std::time::Duration;

use bytes::Bytes;
use howdah_proto::pb;
use tonic::{Status, Streaming};

use super::{cell::ShardCell, staging::Staged};

/// How long a sender may stay silent before its buffer is given to another.
const SILENCE: Duration = Duration::from_secs(30);

/// What a message of a stream of values holds.
pub(super) enum Part<H> {
    Header(H),
    Data(Bytes),
}

/// A message of a stream that begins with a header and goes on with values.
pub(super) trait Parts {
    type Header;

    fn part(self) -> Option<Part<Self::Header>>;
}

impl Parts for pb::PushRequest {
    type Header = pb::PushHeader;

    fn part(self) -> Option<Part<pb::PushHeader>> {
        Some(match self.part? {
            pb::push_request::Part::Header(header) => Part::Header(header),
            pb::push_request::Part::Data(data) => Part::Data(data),
        })
    }
}

impl Parts for pb::WriteRequest {
    type Header = pb::ShardRef;

    fn part(self) -> Option<Part<pb::ShardRef>> {
        Some(match self.part? {
            pb::write_request::Part::Header(header) => Part::Header(header),
            pb::write_request::Part::Data(data) => Part::Data(data),
        })
    }
}

async fn next<M: Parts>(stream: &mut Streaming<M>) -> Result<Option<Part<M::Header>>, Status> {
    let message = tokio::time::timeout(SILENCE, stream.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the sender of the values has fallen silent"))??;
    Ok(message.and_then(Parts::part))
}

/// Takes the header that a stream of values begins with.
pub(super) async fn header<M: Parts>(stream: &mut Streaming<M>) -> Result<M::Header, Status> {
    match next(stream).await? {
        Some(Part::Header(header)) => Ok(header),
        Some(Part::Data(_)) | None => Err(Status::invalid_argument("the stream must begin with its header")),
    }
}

/// Puts the values of a stream together, exactly as many as the shard has.
pub(super) async fn values<M: Parts>(
    stream: &mut Streaming<M>,
    cell: &ShardCell,
    mut staged: Staged,
) -> Result<Staged, Status> {
    let wrong = |given: usize| {
        let (key, values) = (cell.key, cell.values());
        Status::invalid_argument(format!("{key}: {given} bytes or more came, the shard has {values} values"))
    };
    let mut filled = 0;
    while let Some(part) = next(stream).await? {
        let Part::Data(data) = part else {
            return Err(Status::invalid_argument(format!("{}: a second header came", cell.key)));
        };
        let end = filled + data.len();
        let room = staged.bytes_mut().get_mut(filled..end).ok_or_else(|| wrong(end))?;
        room.copy_from_slice(&data);
        filled = end;
    }
    if filled == staged.bytes_mut().len() {
        Ok(staged)
    } else {
        let (key, values) = (cell.key, cell.values());
        Err(Status::invalid_argument(format!("{key}: {filled} bytes came, the shard has {values} values")))
    }
}
