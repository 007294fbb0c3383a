use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use howdah_proto::{
    BlockId, WireError,
    pb::{self, block_chunk::Part, block_write::Part as WritePart, blocks_server::Blocks},
    required,
    transport::CHUNK_BYTES,
};
use tonic::{Request, Response, Status, Streaming};

use super::{chunks::chunks, copies::place_from_wire};
use crate::{
    rdd::{RddError, Samples},
    store::{Assembled, Assembler, BlockContent, BlockStore, FrameSink, Taken},
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
        let store = Arc::clone(&self.store);
        // It may have to be read from disk.
        let content = tokio::task::spawn_blocking(move || store.content(id)).await;
        let content = content
            .map_err(|error| Status::internal(error.to_string()))?
            .ok_or_else(|| Status::not_found(format!("{id} is not in this store")))?;
        Ok(Response::new(match content {
            BlockContent::Samples(samples) => {
                let parts = sample_chunks(samples).map(|part| Ok(pb::BlockChunk { part: Some(part) }));
                Box::pin(stream::iter(parts))
            }
            BlockContent::Batches(frames, pin) => {
                let bytes = frames.bytes();
                let header = stream::iter([Ok(Part::Batches(pb::BatchesHeader { bytes }))]);
                let data = chunks(frames, 0..bytes, pin).map(|chunk| chunk.map(Part::Data));
                Box::pin(header.chain(data).map(|part| Ok(pb::BlockChunk { part: Some(part?) })))
            }
        }))
    }

    async fn write(
        &self,
        request: Request<Streaming<pb::BlockWrite>>,
    ) -> Result<Response<pb::BlockWritten>, Status> {
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|first| first.part);
        let Some(WritePart::Header(header)) = first else {
            return Err(Status::invalid_argument("a block begins with its header"));
        };
        let place = place_from_wire(header.place()).map_err(refused)?;
        let id = BlockId::from(required(header.id, "id").map_err(refused)?);
        let mut assembler = Assembler::new(header.bytes);
        let mut sink = self.store.sink(id, place);
        while let Some(part) = parts.message().await? {
            let Some(WritePart::Data(data)) = part.part else {
                return Err(Status::invalid_argument("a block has one header"));
            };
            // What is evicted for the block may have to be written to disk.
            let taken = tokio::task::spawn_blocking(move || take(assembler, sink, &data)).await;
            let (next, filling, taken) = taken
                .map_err(|error| Status::internal(error.to_string()))?
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            (assembler, sink) = (next, filling);
            if taken == Taken::No {
                return Ok(Response::new(pb::BlockWritten { stored: false }));
            }
        }
        if !assembler.is_done() {
            return Err(Status::invalid_argument("the block is shorter than announced"));
        }
        self.store.insert(id, place, sink.finish());
        Ok(Response::new(pb::BlockWritten { stored: true }))
    }
}

fn refused(error: WireError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Checks the frames that are complete with `data` and puts them into the sink.
fn take(
    mut assembler: Assembler,
    mut sink: FrameSink,
    data: &Bytes,
) -> Result<(Assembler, FrameSink, Taken), RddError> {
    assembler.push(data)?;
    while let Assembled::Batch(batch) = assembler.next_frame()? {
        if sink.push(&batch)? == Taken::No {
            return Ok((assembler, sink, Taken::No));
        }
    }
    Ok((assembler, sink, Taken::Yes))
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
fn sample_chunks(samples: Arc<Samples>) -> impl Iterator<Item = Part> + Send {
    let header = samples.header().into();
    let buffers = (0..3).map(move |part| Bytes::from_owner(Owned { samples: Arc::clone(&samples), part }));
    let data = buffers.flat_map(|buffer| {
        (0..buffer.len())
            .step_by(CHUNK_BYTES)
            .map(move |start| Part::Data(buffer.slice(start..buffer.len().min(start + CHUNK_BYTES))))
    });
    std::iter::once(Part::Header(header)).chain(data)
}
