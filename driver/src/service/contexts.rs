use std::{pin::Pin, sync::Arc};

use bytes::BytesMut;
use futures::{Stream, StreamExt, stream};
use howdah_proto::{
    ContextId, JobId, NodeId, ObjectId, PROTOCOL_VERSION,
    pb::{self, contexts_server::Contexts, object_chunk::Part},
    registry::{OperatorVersions, from_wire},
    required,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::leave::OnLeave;
use crate::{
    engine::{EngineHandle, Input},
    membership::Standards,
    objects::{ObjectError, Objects},
};

/// Serves the contexts of programs.
pub(super) struct ContextsService {
    pub(super) engine: EngineHandle,
    pub(super) objects: Objects,
    pub(super) standards: Arc<Standards>,
}

#[tonic::async_trait]
impl Contexts for ContextsService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<pb::ContextOpened, Status>> + Send>>;
    type RunStream = Pin<Box<dyn Stream<Item = Result<pb::RunReply, Status>> + Send>>;

    async fn open(
        &self,
        request: Request<pb::OpenContextRequest>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        let request = request.into_inner();
        if request.protocol_version != PROTOCOL_VERSION {
            return Err(Status::failed_precondition(format!(
                "the driver speaks protocol {PROTOCOL_VERSION}, the program {}",
                request.protocol_version
            )));
        }
        if let Some(missing) = missing(&self.standards.operators, &from_wire(request.operators)) {
            return Err(Status::failed_precondition(format!(
                "{missing}: the cluster must run binaries that register what the program does"
            )));
        }
        let context = self.engine.ask(|reply| Input::OpenContext { name: request.name, reply }).await?;
        let closes = OnLeave::new(&self.engine, Input::CloseContext { context });
        let first = Ok(pb::ContextOpened { context_id: context.0 });
        // The lease: it never says anything more, and closes the context when the program lets go of it.
        let lease = stream::once(std::future::ready(first)).chain(stream::pending()).map(move |opened| {
            closes.hold();
            opened
        });
        Ok(Response::new(Box::pin(lease)))
    }

    async fn put_object(
        &self,
        request: Request<Streaming<pb::ObjectChunk>>,
    ) -> Result<Response<pb::ObjectPut>, Status> {
        let mut chunks = request.into_inner();
        let first = required(chunks.message().await?, "header")?;
        let Some(Part::Header(header)) = first.part else {
            return Err(Status::invalid_argument("the first chunk of an object must be its header"));
        };
        let (context, object) = (ContextId(header.context_id), ObjectId(header.object_id));
        self.objects.check(context, object, header.bytes)?;
        let mut content = BytesMut::new();
        while let Some(chunk) = chunks.message().await? {
            let Some(Part::Data(data)) = chunk.part else {
                return Err(Status::invalid_argument("an object has one header"));
            };
            if (content.len() + data.len()) as u64 > header.bytes {
                return Err(Status::invalid_argument(format!("object {object} is larger than announced")));
            }
            content.extend_from_slice(&data);
        }
        if content.len() as u64 != header.bytes {
            return Err(Status::invalid_argument(format!("object {object} is smaller than announced")));
        }
        self.objects.put(context, object, content.freeze())?;
        Ok(Response::new(pb::ObjectPut {}))
    }

    async fn drop_object(
        &self,
        request: Request<pb::ObjectRef>,
    ) -> Result<Response<pb::ObjectDropped>, Status> {
        let object = request.into_inner();
        self.objects.drop_object(ContextId(object.context_id), ObjectId(object.object_id));
        Ok(Response::new(pb::ObjectDropped {}))
    }

    async fn run(&self, request: Request<pb::RunRequest>) -> Result<Response<Self::RunStream>, Status> {
        let (replies, stream) = mpsc::unbounded_channel();
        let request = Box::new(request.into_inner());
        let job: JobId = self.engine.ask(|reply| Input::Run { request, replies, reply }).await??;
        let reason = "the program let go of it".to_owned();
        let cancels = OnLeave::new(&self.engine, Input::Cancel { job, reason });
        let replies = UnboundedReceiverStream::new(stream).map(move |reply| {
            cancels.hold();
            Ok(reply)
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn define(&self, request: Request<pb::DefineRequest>) -> Result<Response<pb::Defined>, Status> {
        let pb::DefineRequest { context_id, nodes } = request.into_inner();
        let context = ContextId(context_id);
        self.engine.ask(|reply| Input::Define { context, nodes, reply }).await??;
        Ok(Response::new(pb::Defined {}))
    }

    async fn unpersist(
        &self,
        request: Request<pb::UnpersistRequest>,
    ) -> Result<Response<pb::Unpersisted>, Status> {
        let pb::UnpersistRequest { context_id, node } = request.into_inner();
        let (context, node) = (ContextId(context_id), NodeId(node));
        self.engine.ask(|reply| Input::Unpersist { context, node, reply }).await??;
        Ok(Response::new(pb::Unpersisted {}))
    }

    async fn describe(
        &self,
        request: Request<pb::DescribeRequest>,
    ) -> Result<Response<pb::Description>, Status> {
        let context = request.into_inner().context_id.map(ContextId);
        Ok(Response::new(self.engine.ask(|reply| Input::Describe { context, reply }).await?))
    }
}

/// Names what a program has and the cluster lacks.
fn missing(cluster: &OperatorVersions, program: &OperatorVersions) -> Option<String> {
    let lacks = program.iter().filter_map(|(name, version)| match cluster.get(name) {
        Some(has) if has == version => None,
        Some(has) => {
            Some(format!("operator `{name}` has version {has} on the cluster, and {version} in the program"))
        }
        None => Some(format!("operator `{name}` is missing on the cluster")),
    });
    let lacks: Vec<String> = lacks.collect();
    (!lacks.is_empty()).then(|| lacks.join("; "))
}

impl From<ObjectError> for Status {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Closed(_) => Self::not_found(error.to_string()),
            ObjectError::Twice(..) => Self::already_exists(error.to_string()),
            ObjectError::Full { .. } => Self::resource_exhausted(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_know_less_than_the_cluster_and_nothing_more() {
        let versions = |pairs: &[(&str, u32)]| -> OperatorVersions {
            pairs.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect()
        };
        let cluster = versions(&[("a", 1), ("b", 2)]);
        assert_eq!(missing(&cluster, &versions(&[("b", 2)])), None);
        let text = missing(&cluster, &versions(&[("a", 2), ("c", 1)])).unwrap();
        assert!(text.contains("`a` has version 1 on the cluster, and 2 in the program"), "{text}");
        assert!(text.contains("`c` is missing"), "{text}");
    }
}
