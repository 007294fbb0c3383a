use std::pin::Pin;

use futures::{Stream, stream};
use howdah_proto::{
    ContextId, ObjectId,
    pb::{self, object_chunk::Part, objects_server::Objects as Service},
    transport::CHUNK_BYTES,
};
use tonic::{Request, Response, Status};

use crate::objects::Objects;

/// Serves the objects of contexts to executors.
pub(super) struct ObjectsService {
    pub(super) objects: Objects,
}

#[tonic::async_trait]
impl Service for ObjectsService {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<pb::ObjectChunk, Status>> + Send>>;

    async fn read(&self, request: Request<pb::ObjectRef>) -> Result<Response<Self::ReadStream>, Status> {
        let wanted = request.into_inner();
        let (context, object) = (ContextId(wanted.context_id), ObjectId(wanted.object_id));
        let content = self
            .objects
            .get(context, object)
            .ok_or_else(|| Status::not_found(format!("context {context} has no object {object}")))?;
        let header =
            pb::ObjectHeader { context_id: context.0, object_id: object.0, bytes: content.len() as u64 };
        let pieces = (0..content.len())
            .step_by(CHUNK_BYTES)
            .map(move |start| Part::Data(content.slice(start..content.len().min(start + CHUNK_BYTES))));
        let parts = std::iter::once(Part::Header(header)).chain(pieces);
        let chunks = parts.map(|part| Ok(pb::ObjectChunk { part: Some(part) }));
        Ok(Response::new(Box::pin(stream::iter(chunks))))
    }
}
