use std::ops::Range;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use howdah_proto::{
    ReplicaId, Version,
    exchange::{Part, Parts},
    pb,
    settings::Encoding,
    transport::CHUNK_BYTES,
};
use tonic::Status;

use super::{Paramserver, cell::Access, kept::Kept, owned::bytes_of, requests::encoding};
use crate::{
    codec,
    rules::Weights,
    shard::{ShardError, Tagged},
};

const CHUNK_VALUES: usize = CHUNK_BYTES / size_of::<f32>();
const ENCODED_CHUNK_VALUES: usize = CHUNK_BYTES / size_of::<u16>();
const _: () = assert!(ENCODED_CHUNK_VALUES.is_multiple_of(codec::PIECE_VALUES));
// So every chunk lies within a piece.
const _: () = assert!(
    Weights::PIECE_VALUES.is_multiple_of(CHUNK_VALUES)
        && Weights::PIECE_VALUES.is_multiple_of(ENCODED_CHUNK_VALUES)
);

/// Gives the weights that a request asks for.
pub(super) async fn pull(
    server: &Paramserver,
    request: pb::PullRequest,
) -> Result<Parts<pb::PullReply>, Status> {
    let access = server.primary(request.shard)?;
    let encoding = encoding(access.cell.key, &request.encoding)?;
    if let Some(tag) = request.tag {
        return tagged(access, tag, encoding).await;
    }
    let at = request.at_version.map(Version);
    if let Some(replica) = request.replica {
        let (replica, held) = (replica.into(), request.held_version.map(Version));
        if let Some(parts) = mirrored(&access, replica, held, at, encoding).await? {
            return Ok(parts);
        }
    }
    // The largest values alone are no weights.
    newest(access, at, if codec::has_units(encoding) { encoding } else { Encoding::F32 }).await
}

/// Streams the newest weights. Pushes may be applied between two chunks, as asynchronous training allows, unless a
/// version was asked for.
async fn newest(
    access: Access,
    at: Option<Version>,
    encoding: Encoding,
) -> Result<Parts<pb::PullReply>, Status> {
    let values = access.cell.values();
    let version = version(&access, at).await?;
    let data = chunks(values, encoding).then(move |range| {
        let access = access.clone();
        async move { chunk(&access, at, range, encoding).await }
    });
    let header = pb::PullHeader {
        values: values as u64,
        version: version.0,
        is_delta: false,
        encoded_bytes: codec::max_bytes(encoding, values),
        encoding: name(encoding)?,
    };
    Ok(reply(header, data))
}

/// The version that a pull gives: the one asked for, if it can be had, else the newest.
async fn version(access: &Access, at: Option<Version>) -> Result<Version, Status> {
    let (newest, has) =
        access.read(move |shard| (shard.version(), at.is_none_or(|at| shard.has(at)))).await?;
    if has { Ok(at.unwrap_or(newest)) } else { Err(other_version(access, at, newest)) }
}

fn other_version(access: &Access, at: Option<Version>, is: Version) -> Status {
    let (key, at) = (access.cell.key, at.unwrap_or(is));
    Status::failed_precondition(format!("{key} is at version {is}, version {at} is asked for"))
}

/// Takes weights that stay as they are, and encodes them while pushes go on.
async fn chunk(
    access: &Access,
    at: Option<Version>,
    range: Range<usize>,
    encoding: Encoding,
) -> Result<Bytes, Status> {
    let (version, part) = access.read(move |shard| (shard.version(), shard.part(at, range))).await?;
    let part = part.ok_or_else(|| other_version(access, at, version))?;
    if encoding == Encoding::F32 {
        return Ok(bytes_of(part));
    }
    let mut bytes = Vec::new();
    codec::encode(encoding, &part, None, &mut bytes);
    Ok(bytes.into())
}

/// Encodes the newest weights for a replica whose copy the shard keeps a mirror of; nothing if older ones are wanted.
async fn mirrored(
    access: &Access,
    replica: ReplicaId,
    held: Option<Version>,
    at: Option<Version>,
    encoding: Encoding,
) -> Result<Option<Parts<pb::PullReply>>, Status> {
    let values = access.cell.values();
    version(access, at).await?;
    let pull = move |shard: &mut Kept| {
        let mut bytes = Vec::new();
        let pulled = match shard {
            Kept::Locked(shard) if at.is_some_and(|at| at != shard.version()) => None,
            Kept::Locked(shard) => Some((shard.pull_for(replica, held, encoding, &mut bytes)?, bytes)),
            // Without a lock there are no mirrors: the weights are sent as they are.
            Kept::Free(_) => None,
        };
        Ok::<_, ShardError>(pulled)
    };
    let pulled = access.change(pull).await?;
    pulled
        .map(|(pulled, bytes)| whole(values, pulled.version, pulled.is_delta, pulled.encoding, bytes))
        .transpose()
}

/// Streams the weights kept under a tag.
async fn tagged(access: Access, tag: u64, encoding: Encoding) -> Result<Parts<pb::PullReply>, Status> {
    let key = access.cell.key;
    let found = access.read(move |shard| shard.tagged(tag)).await?;
    // Not "not found", as of a shard that its server has yet to be given: no other try changes this.
    let missing = || Status::failed_precondition(format!("{key} has no weights under the tag {tag}"));
    let Tagged { weights, version } = found.ok_or_else(missing)?;
    let values = weights.len();
    if encoding == Encoding::F32 {
        let bytes = bytes_of(weights);
        return whole(values, version, false, encoding, bytes);
    }
    let encode = move || {
        let mut bytes = Vec::new();
        codec::encode(encoding, &weights, None, &mut bytes);
        Ok(bytes)
    };
    let bytes = access.cell.aside(encode).await?;
    whole(values, version, false, encoding, bytes)
}

/// Streams what lies ready.
fn whole(
    values: usize,
    version: Version,
    is_delta: bool,
    encoding: Encoding,
    bytes: impl Into<Bytes>,
) -> Result<Parts<pb::PullReply>, Status> {
    let bytes: Bytes = bytes.into();
    let header = pb::PullHeader {
        values: values as u64,
        version: version.0,
        is_delta,
        encoded_bytes: bytes.len() as u64,
        encoding: name(encoding)?,
    };
    let starts = (0..bytes.len()).step_by(CHUNK_BYTES);
    let data = starts.map(move |start| Ok(bytes.slice(start..bytes.len().min(start + CHUNK_BYTES))));
    Ok(reply(header, stream::iter(data)))
}

fn reply(
    header: pb::PullHeader,
    data: impl Stream<Item = Result<Bytes, Status>> + Send + 'static,
) -> Parts<pb::PullReply> {
    let header = pb::PullReply { part: Some(pb::pull_reply::Part::Header(header)) };
    let data = data.map(|chunk| chunk.map(Part::Data));
    Box::pin(stream::iter([Ok(Part::Message(header))]).chain(data))
}

fn name(encoding: Encoding) -> Result<String, Status> {
    serde_json::to_string(&encoding).map_err(|error| Status::internal(error.to_string()))
}

fn chunks(values: usize, encoding: Encoding) -> impl Stream<Item = Range<usize>> + Send {
    let most = if encoding == Encoding::F32 { CHUNK_VALUES } else { ENCODED_CHUNK_VALUES };
    let starts = (0..values).step_by(most);
    stream::iter(starts.map(move |start| start..values.min(start + most)))
}
