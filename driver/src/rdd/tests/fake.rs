use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures::Stream;
use howdah_proto::pb::{self, contexts_server::Contexts, run_reply::Reply};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

use crate::rdd::{Context, Registry};

type Answer = dyn Fn(&pb::RunRequest) -> Vec<Reply> + Send + Sync;
type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A driver that answers as it is told, and remembers what it was asked.
#[derive(Clone)]
pub(super) struct Fake {
    answer: Arc<Answer>,
    seen: Arc<Mutex<Seen>>,
}

/// What a driver was asked.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) runs: Vec<pb::RunRequest>,
    pub(super) defined: Vec<pb::Node>,
    /// Bytes of objects, by their ids.
    pub(super) objects: Vec<(u64, Vec<u8>)>,
    pub(super) unpersisted: Vec<u32>,
}

impl Fake {
    /// Starts a driver, and opens a context of it.
    pub(super) async fn context(
        answer: impl Fn(&pb::RunRequest) -> Vec<Reply> + Send + Sync + 'static,
    ) -> (Context, Self) {
        let fake = Self { answer: Arc::new(answer), seen: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = pb::contexts_server::ContextsServer::new(fake.clone());
        let server = howdah_proto::transport::server().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (Context::connect(&address, Registry::new()).await.unwrap(), fake)
    }

    /// What it was asked so far.
    pub(super) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap());
    }
}

/// Says that a job went well, with these results.
pub(super) fn results(parts: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Vec<Reply> {
    let part = |(partition, data): (u32, Vec<u8>)| pb::Part { partition, data: data.into(), last: true };
    let parts = parts.into_iter().map(part).collect();
    vec![
        Reply::Started(pb::RunStarted { job_id: 1 }),
        Reply::Parts(pb::Parts { parts }),
        Reply::Finished(pb::RunFinished::default()),
    ]
}

#[tonic::async_trait]
impl Contexts for Fake {
    type OpenStream = Replies<pb::ContextOpened>;
    type RunStream = Replies<pb::RunReply>;

    async fn open(&self, _: Request<pb::OpenContextRequest>) -> Result<Response<Self::OpenStream>, Status> {
        let opened = futures::stream::iter([Ok(pb::ContextOpened { context_id: 7 })]);
        Ok(Response::new(Box::pin(futures::StreamExt::chain(opened, futures::stream::pending()))))
    }

    async fn put_object(
        &self,
        request: Request<Streaming<pb::ObjectChunk>>,
    ) -> Result<Response<pb::ObjectPut>, Status> {
        use pb::object_chunk::Part;
        let mut chunks = request.into_inner();
        let Some(Part::Header(header)) = chunks.message().await?.and_then(|chunk| chunk.part) else {
            return Err(Status::invalid_argument("no header"));
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            let Some(Part::Data(data)) = chunk.part else { return Err(Status::invalid_argument("no data")) };
            bytes.extend_from_slice(&data);
        }
        assert_eq!((header.context_id, header.bytes), (7, bytes.len() as u64));
        self.note(|seen| seen.objects.push((header.object_id, bytes)));
        Ok(Response::new(pb::ObjectPut {}))
    }

    async fn drop_object(&self, _: Request<pb::ObjectRef>) -> Result<Response<pb::ObjectDropped>, Status> {
        Ok(Response::new(pb::ObjectDropped {}))
    }

    async fn run(&self, request: Request<pb::RunRequest>) -> Result<Response<Self::RunStream>, Status> {
        let request = request.into_inner();
        let replies = (self.answer)(&request);
        self.note(|seen| seen.runs.push(request));
        let replies = replies.into_iter().map(|reply| Ok(pb::RunReply { reply: Some(reply) }));
        Ok(Response::new(Box::pin(futures::stream::iter(replies))))
    }

    async fn define(&self, request: Request<pb::DefineRequest>) -> Result<Response<pb::Defined>, Status> {
        self.note(|seen| seen.defined.extend(request.into_inner().nodes));
        Ok(Response::new(pb::Defined {}))
    }

    async fn unpersist(
        &self,
        request: Request<pb::UnpersistRequest>,
    ) -> Result<Response<pb::Unpersisted>, Status> {
        self.note(|seen| seen.unpersisted.push(request.into_inner().node));
        Ok(Response::new(pb::Unpersisted {}))
    }

    async fn describe(&self, _: Request<pb::DescribeRequest>) -> Result<Response<pb::Description>, Status> {
        Ok(Response::new(pb::Description::default()))
    }
}
