use std::{ops::Range, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use howdah_proto::{pb, pb::pull_reply::Part, transport::CHUNK_BYTES};
use tonic::Status;

use super::cell::ShardCell;

pub(super) type PullStream = Pin<Box<dyn Stream<Item = Result<pb::PullReply, Status>> + Send>>;

const CHUNK_VALUES: usize = CHUNK_BYTES / size_of::<f32>();

/// Streams the newest weights. Pushes may be applied between two chunks, as asynchronous training allows.
pub(super) async fn newest(cell: Arc<ShardCell>) -> Result<PullStream, Status> {
    let values = cell.values();
    let version = cell.read(|shard| shard.counters().applied).await?;
    let data = chunks(values).then(move |range| {
        let cell = Arc::clone(&cell);
        async move { cell.read(move |shard| copy(&shard.weights()[range])).await }
    });
    Ok(reply(values, version, data))
}

/// Streams the weights kept under a tag.
pub(super) async fn tagged(cell: Arc<ShardCell>, tag: u64) -> Result<PullStream, Status> {
    let found = cell.read(move |shard| shard.tagged(tag).cloned()).await?;
    let tagged =
        found.ok_or_else(|| Status::not_found(format!("{} has no weights under the tag {tag}", cell.key)))?;
    let values = tagged.weights.len();
    let data = chunks(values).map(move |range| Ok(copy(&tagged.weights[range])));
    Ok(reply(values, tagged.version, data))
}

fn reply(
    values: usize,
    version: u64,
    data: impl Stream<Item = Result<Bytes, Status>> + Send + 'static,
) -> PullStream {
    let header = Part::Header(pb::PullHeader { values: values as u64, version });
    let parts = stream::once(async { Ok(header) }).chain(data.map(|chunk| chunk.map(Part::Data)));
    Box::pin(parts.map(|part| part.map(|part| pb::PullReply { part: Some(part) })))
}

fn chunks(values: usize) -> impl Stream<Item = Range<usize>> + Send {
    let starts = (0..values).step_by(CHUNK_VALUES);
    stream::iter(starts.map(move |start| start..values.min(start + CHUNK_VALUES)))
}

fn copy(weights: &[f32]) -> Bytes {
    Bytes::copy_from_slice(bytemuck::cast_slice(weights))
}
