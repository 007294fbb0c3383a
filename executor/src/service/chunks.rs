use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{Stream, stream};
use howdah_proto::transport::CHUNK_BYTES;
use tonic::Status;

use crate::{memory::Pin, store::Frames};

/// The bytes of a range of frames: those in memory as they lie there, those in a file read bit by bit.
pub(super) fn chunks(
    frames: Arc<Frames>,
    range: Range<u64>,
    pin: Option<Pin>,
) -> impl Stream<Item = Result<Bytes, Status>> + Send {
    stream::try_unfold((frames, range, pin), async |(frames, range, pin)| {
        if range.is_empty() {
            return Ok(None);
        }
        let wanted = range.clone();
        let reader = Arc::clone(&frames);
        let chunk = if frames.is_in_memory() {
            reader.chunk(wanted, CHUNK_BYTES)
        } else {
            tokio::task::spawn_blocking(move || reader.chunk(wanted, CHUNK_BYTES))
                .await
                .map_err(|error| Status::internal(error.to_string()))?
        };
        let chunk = chunk.map_err(|error| Status::data_loss(error.to_string()))?;
        let rest = range.start + chunk.len() as u64..range.end;
        Ok(Some((chunk, (frames, rest, pin))))
    })
}
