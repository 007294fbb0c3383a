use std::time::Duration;

use bytes::BytesMut;
use howdah_proto::{
    BlockId, WireError, pb,
    transport::{ConnectError, MESSAGE_LIMIT_BYTES, connect},
};
use pb::block_chunk::Part;

use crate::rdd::{PictureShape, Samples, SamplesError};

const DEADLINE: Duration = Duration::from_secs(60);

/// A peer that sends nothing for so long hangs, or its machine is gone: the block is sooner computed again.
const SILENCE: Duration = Duration::from_secs(3);

/// The largest block that is fetched; a larger one is computed again.
const MAX_BLOCK_BYTES: u64 = 16 << 30;

/// A block that a peer announced and that could not be had from it.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{address} says: {message}")]
    Refused { address: String, message: String },
    #[error("{address} did not send it within {} s", limit.as_secs())]
    Timeout { address: String, limit: Duration },
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Samples(#[from] SamplesError),
}

/// Reads a block from the executor at `address`.
pub(super) async fn read(address: &str, id: BlockId) -> Result<Samples, PeerError> {
    within(DEADLINE, address, receive(address, id)).await?
}

async fn within<T>(limit: Duration, address: &str, answer: impl Future<Output = T>) -> Result<T, PeerError> {
    let timed_out = |_| PeerError::Timeout { address: address.to_owned(), limit };
    tokio::time::timeout(limit, answer).await.map_err(timed_out)
}

async fn receive(address: &str, id: BlockId) -> Result<Samples, PeerError> {
    let refused = |status: tonic::Status| PeerError::Refused {
        address: address.to_owned(),
        message: status.message().to_owned(),
    };
    let channel = within(SILENCE, address, connect(address)).await??;
    let mut client =
        pb::blocks_client::BlocksClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
    let reading = within(SILENCE, address, client.read(pb::BlockId::from(id))).await?;
    let mut stream = reading.map_err(refused)?.into_inner();
    let mut announced = None;
    let mut content = BytesMut::new();
    while let Some(chunk) = within(SILENCE, address, stream.message()).await?.map_err(refused)? {
        match chunk.part.ok_or(WireError::Missing("part"))? {
            Part::Header(header) => announced = Some(check(&header)?),
            Part::Data(data) => {
                let (_, _, bytes) = announced.ok_or(WireError::Missing("header"))?;
                if (content.len() + data.len()) as u64 > bytes {
                    return Err(WireError::invalid("data", "more than was announced").into());
                }
                content.extend_from_slice(&data);
            }
            Part::Batches(_) => return Err(WireError::invalid("header", "the block has no pictures").into()),
        }
    }
    let (shape, rows, _) = announced.ok_or(WireError::Missing("header"))?;
    Ok(Samples::from_wire(shape, rows, &content)?)
}

/// Checks what a peer announces: the shape, the rows and the bytes that must follow.
fn check(header: &pb::BlockHeader) -> Result<(PictureShape, u64, u64), WireError> {
    let shape = PictureShape { width: header.width, height: header.height, channels: header.channels };
    match Samples::wire_bytes(shape, header.rows) {
        Some(bytes) if bytes <= MAX_BLOCK_BYTES => Ok((shape, header.rows, bytes)),
        _ => Err(WireError::invalid("header", format!("{} rows of {shape:?}", header.rows))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_block_is_refused_before_anything_is_allocated() {
        let header = pb::BlockHeader { rows: u64::MAX, width: 128, height: 128, channels: 1 };
        assert!(check(&header).is_err());
        let wide = pb::BlockHeader { rows: 1, width: u32::MAX, height: u32::MAX, channels: u32::MAX };
        assert!(check(&wide).is_err());
        assert!(check(&pb::BlockHeader { rows: 10, ..header }).is_ok());
    }
}
