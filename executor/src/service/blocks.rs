use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{Stream, stream};
use howdah_proto::{
    BlockId,
    pb::{self, block_chunk::Part, blocks_server::Blocks},
    transport::CHUNK_BYTES,
};
use tonic::{Request, Response, Status};

use crate::{
    rdd::{PictureShape, Samples},
    store::BlockStore,
};

/// Serves the blocks of a store.
#[derive(Debug)]
pub struct BlocksService {
    store: Arc<BlockStore>,
}

impl BlocksService {
    /// Makes the service of a store.
    pub fn new(store: Arc<BlockStore>) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl Blocks for BlocksService {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<pb::BlockChunk, Status>> + Send>>;

    async fn read(&self, request: Request<pb::BlockId>) -> Result<Response<Self::ReadStream>, Status> {
        let id = BlockId::from(request.into_inner());
        let samples =
            self.store.get(id).ok_or_else(|| Status::not_found(format!("{id} is not in this store")))?;
        let parts = chunks(samples).map(|part| Ok(pb::BlockChunk { part: Some(part) }));
        Ok(Response::new(Box::pin(stream::iter(parts))))
    }
}

/// One of the three buffers of a block, kept alive by the block itself.
struct Owned {
    samples: Arc<Samples>,
    part: usize,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.samples.parts()[self.part]
    }
}

/// The block as it travels: its header, then slices of its own buffers.
fn chunks(samples: Arc<Samples>) -> impl Iterator<Item = Part> + Send {
    let shape = samples.shape().unwrap_or(PictureShape { width: 0, height: 0, channels: 0 });
    let header = pb::BlockHeader {
        rows: samples.len() as u64,
        width: shape.width,
        height: shape.height,
        channels: shape.channels,
    };
    let buffers = (0..3).map(move |part| Bytes::from_owner(Owned { samples: Arc::clone(&samples), part }));
    let data = buffers.flat_map(|buffer| {
        (0..buffer.len())
            .step_by(CHUNK_BYTES)
            .map(move |start| Part::Data(buffer.slice(start..buffer.len().min(start + CHUNK_BYTES))))
    });
    std::iter::once(Part::Header(header)).chain(data)
}
