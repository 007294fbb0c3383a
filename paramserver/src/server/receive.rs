use std::time::Duration;

use howdah_proto::exchange::{Carrier, Incoming, Part};
use tonic::Status;

use super::{
    cell::{ShardCell, ShardKey},
    staging::Staged,
};
use crate::{
    codec::{DecodeError, Decoder},
    shard::{Finite, Scan},
};

/// How long a sender may stay silent before its buffer is given to another.
const SILENCE: Duration = Duration::from_secs(30);

/// Waits for the next part, but not for a sender that has fallen silent.
async fn next<M: Carrier>(stream: &mut Incoming<M>) -> Result<Option<Part<M>>, Status> {
    tokio::time::timeout(SILENCE, stream.next())
        .await
        .map_err(|_| Status::deadline_exceeded("the sender of the values has fallen silent"))?
}

/// Takes the header that a stream of values begins with.
pub(super) async fn header<M: Carrier, H>(
    stream: &mut Incoming<M>,
    header: impl FnOnce(M) -> Option<H>,
) -> Result<H, Status> {
    let part = match next(stream).await? {
        Some(Part::Message(message)) => header(message),
        Some(Part::Data(_)) | None => None,
    };
    part.ok_or_else(|| Status::invalid_argument("the stream must begin with its header"))
}

/// Puts the values of a stream together, exactly as many as the shard has, and looks at them while they are in the caches.
pub(super) async fn values<M: Carrier>(
    stream: &mut Incoming<M>,
    cell: &ShardCell,
    staged: &mut Staged,
) -> Result<Finite, Status> {
    let values = cell.values();
    let wrong = |given| format!("{}: {given} came, the shard has {values} values", cell.key);
    let (mut scan, mut seen) = (Scan::default(), 0);
    let look = |filled: &[u8]| {
        // The buffer is one of values.
        let (_, whole, _) = bytemuck::pod_align_to::<u8, f32>(filled);
        scan.look(whole.get(seen..).unwrap_or_default());
        seen = whole.len();
    };
    fill(stream, staged.bytes_mut(), look, wrong).await?;
    Ok(scan.known())
}

/// Takes exactly `length` bytes, if they are at most `most`.
pub(super) async fn bytes<M: Carrier>(
    stream: &mut Incoming<M>,
    key: ShardKey,
    length: u64,
    most: u64,
) -> Result<Vec<u8>, Status> {
    let beyond =
        || Status::invalid_argument(format!("{key}: {length} bytes are announced, at most {most} can be"));
    let length = usize::try_from(length).ok().filter(|_| length <= most).ok_or_else(beyond)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|_| Status::resource_exhausted(format!("{key}: there is no memory for {length} bytes")))?;
    while bytes.len() < length {
        match next(stream).await? {
            Some(Part::Data(data)) if data.len() <= length - bytes.len() => bytes.extend_from_slice(&data),
            _ => {
                return Err(Status::invalid_argument(format!("{key}: other than {length} bytes came")));
            }
        }
    }
    Ok(bytes)
}

/// Fills `room` with data, exactly, and shows `look` all that has come with each piece.
pub(super) async fn fill<M: Carrier>(
    stream: &mut Incoming<M>,
    room: &mut [u8],
    mut look: impl FnMut(&[u8]),
    wrong: impl Fn(String) -> String,
) -> Result<(), Status> {
    let mut filled = 0;
    while filled < room.len() {
        let end = match next(stream).await? {
            Some(Part::Data(data)) => {
                let end = filled + data.len();
                let beyond = || Status::invalid_argument(wrong(format!("{end} bytes or more")));
                room.get_mut(filled..end).ok_or_else(beyond)?.copy_from_slice(&data);
                look(room.get(..end).unwrap_or_default());
                end
            }
            Some(Part::Message(_)) => {
                return Err(Status::invalid_argument(wrong(format!("a second header after {filled} bytes"))));
            }
            None => return Err(Status::invalid_argument(wrong(format!("{filled} bytes")))),
        };
        filled = end;
    }
    Ok(())
}

/// Decodes what comes until the stream ends, and looks at the values.
pub(super) async fn decoded<M: Carrier>(
    stream: &mut Incoming<M>,
    mut decoder: Decoder<'_>,
    wrong: impl Fn(DecodeError) -> Status,
) -> Result<Finite, Status> {
    let mut scan = Scan::default();
    while let Some(part) = next(stream).await? {
        match part {
            Part::Data(data) => decoder.take(&data, |values| scan.look(values)).map_err(&wrong)?,
            Part::Message(_) => return Err(Status::invalid_argument("a second header came among values")),
        }
    }
    decoder.finish(|values| scan.look(values)).map_err(wrong)?;
    Ok(scan.known())
}

/// Makes sure that a stream has ended, so that a push whose sender vanished before its end is none.
pub(super) async fn end<M: Carrier>(
    stream: &mut Incoming<M>,
    wrong: impl Fn() -> String,
) -> Result<(), Status> {
    match next(stream).await? {
        None => Ok(()),
        Some(_) => Err(Status::invalid_argument(wrong())),
    }
}
