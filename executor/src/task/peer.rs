use std::time::Duration;

use bytes::BytesMut;
use howdah_proto::{BlockId, WireError, pb, transport::MESSAGE_LIMIT_BYTES};
use pb::{block_chunk::Part, blocks_client::BlocksClient};

use crate::{
    rdd::{Samples, SamplesError, SamplesHeader},
    service::{PeerError, Peers, within},
};

/// A block that takes longer is sooner computed again.
const DEADLINE: Duration = Duration::from_secs(60);

/// The largest block that is fetched; a larger one is computed again.
const MAX_BLOCK_BYTES: u64 = 16 << 30;

/// A block that a peer announced and that could not be had from it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("it did not come within {} s", DEADLINE.as_secs())]
    Timeout,
    #[error(transparent)]
    Samples(#[from] SamplesError),
}

impl From<WireError> for ReadError {
    fn from(error: WireError) -> Self {
        Self::Peer(error.into())
    }
}

/// Reads a block from the executor at `address`.
pub(super) async fn read(peers: &Peers, address: &str, id: BlockId) -> Result<Samples, ReadError> {
    let read = tokio::time::timeout(DEADLINE, receive(peers, address, id)).await;
    read.unwrap_or(Err(ReadError::Timeout)).inspect_err(|_| peers.forget(address))
}

async fn receive(peers: &Peers, address: &str, id: BlockId) -> Result<Samples, ReadError> {
    let channel = peers.channel(address).await?;
    let mut client = BlocksClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
    let reading = within(client.read(pb::BlockId::from(id))).await?;
    let mut stream = reading.map_err(PeerError::from)?.into_inner();
    let mut announced = None;
    let mut content = BytesMut::new();
    while let Some(chunk) = within(stream.message()).await?.map_err(PeerError::from)? {
        match chunk.part.ok_or(WireError::Missing("part"))? {
            Part::Header(header) => announced = Some(check(&header)?),
            Part::Data(data) => {
                let (_, bytes) = announced.ok_or(WireError::Missing("header"))?;
                if (content.len() + data.len()) as u64 > bytes {
                    return Err(WireError::invalid("data", "more than was announced").into());
                }
                content.extend_from_slice(&data);
            }
            Part::Batches(_) => return Err(WireError::invalid("header", "the block has no pictures").into()),
        }
    }
    let (header, _) = announced.ok_or(WireError::Missing("header"))?;
    Ok(Samples::from_wire(&header, &content)?)
}

/// Checks what a peer announces: how many bytes must follow.
fn check(header: &pb::BlockHeader) -> Result<(SamplesHeader, u64), WireError> {
    let announced = SamplesHeader::from(*header);
    match announced.bytes() {
        Some(bytes) if bytes <= MAX_BLOCK_BYTES => Ok((announced, bytes)),
        _ => Err(WireError::invalid("header", format!("{announced:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_block_is_refused_before_anything_is_allocated() {
        let header =
            pb::BlockHeader { rows: u64::MAX, width: 128, height: 128, channels: 1, features: 0, views: 1 };
        assert!(check(&header).is_err());
        let wide =
            pb::BlockHeader { rows: 1, width: u32::MAX, height: u32::MAX, channels: u32::MAX, ..header };
        assert!(check(&wide).is_err());
        let many = pb::BlockHeader { rows: 1 << 20, features: u32::MAX, views: u32::MAX, ..header };
        assert!(check(&many).is_err());
        assert_eq!(check(&pb::BlockHeader { rows: 10, features: 3, ..header }).unwrap().1, 10 * (3 * 4 + 12));
        assert!(check(&pb::BlockHeader { rows: 10, ..header }).is_ok());
    }
}
