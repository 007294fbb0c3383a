use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use howdah_proto::{
    ContextId, NodeId, Partition,
    lineage::MAX_PARTITIONS,
    pb::{self, fetch_chunk::Part, shuffles_server::Shuffles},
};
use tonic::{Request, Response, Status};

use super::chunks::chunks;
use crate::shuffle::{OutputId, OutputStore};

/// Serves the map outputs of a store.
#[derive(Debug)]
pub struct ShufflesService {
    outputs: Arc<OutputStore>,
}

impl ShufflesService {
    /// Makes the service of a store.
    pub fn new(outputs: Arc<OutputStore>) -> Self {
        Self { outputs }
    }
}

#[tonic::async_trait]
impl Shuffles for ShufflesService {
    type FetchStream = Pin<Box<dyn Stream<Item = Result<pb::FetchChunk, Status>> + Send>>;

    async fn fetch(&self, request: Request<pb::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let request = request.into_inner();
        if request.maps.len() > MAX_PARTITIONS as usize {
            return Err(Status::invalid_argument("more map partitions than a node can have"));
        }
        let (context, shuffle) = (ContextId(request.context_id), NodeId(request.shuffle));
        let partition = Partition(request.partition);
        let mut segments = Vec::with_capacity(request.maps.len());
        for map in request.maps {
            let id = OutputId { context, shuffle, map: Partition(map) };
            let output =
                self.outputs.get(id).ok_or_else(|| Status::not_found(format!("{id} is not here")))?;
            let range = output
                .segment(partition)
                .ok_or_else(|| Status::not_found(format!("{id} has no partition {partition}")))?;
            segments.push((output, range));
        }
        let parts = stream::iter(segments).flat_map(|(output, range)| {
            let header = pb::SegmentHeader { map: output.id().map.0, bytes: range.end - range.start };
            let data = chunks(Arc::clone(output.frames()), range, output.pin());
            stream::iter([Ok(Part::Header(header))]).chain(data.map(|chunk| chunk.map(Part::Data)))
        });
        Ok(Response::new(Box::pin(parts.map(|part| Ok(pb::FetchChunk { part: Some(part?) })))))
    }
}
