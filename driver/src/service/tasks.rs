use std::pin::Pin;

use futures::{Stream, StreamExt};
use howdah_proto::{
    MemberId, SessionId,
    pb::{self, task_update::Update, tasks_server::Tasks},
    required,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::engine::{EngineHandle, Input};

pub(super) struct TasksService {
    pub(super) engine: EngineHandle,
}

#[tonic::async_trait]
impl Tasks for TasksService {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<pb::TaskCommand, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::TaskUpdate>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut updates = request.into_inner();
        let first = required(updates.message().await?, "hello")?;
        let Some(Update::Hello(hello)) = first.update else {
            return Err(Status::invalid_argument("the first update must be a hello"));
        };
        let (member, session) = (MemberId(hello.member_id), SessionId(hello.session));
        let (commands, stream) = mpsc::unbounded_channel();
        let known = self.engine.ask(|reply| Input::Attach { member, session, commands, reply }).await?;
        if !known {
            return Err(Status::not_found("this registration is not known: register again"));
        }
        tokio::spawn(follow(self.engine.clone(), member, session, updates));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(stream).map(Ok))))
    }
}

async fn follow(
    engine: EngineHandle,
    member: MemberId,
    session: SessionId,
    mut updates: Streaming<pb::TaskUpdate>,
) {
    let reason = loop {
        match updates.message().await {
            Ok(Some(pb::TaskUpdate { update: Some(update) })) => {
                if engine.send(Input::Update { member, session, update }).await.is_err() {
                    return;
                }
            }
            Ok(Some(pb::TaskUpdate { update: None })) => {}
            Ok(None) => break "it left".to_owned(),
            Err(status) => {
                tracing::debug!(%member, %status, "the stream of tasks broke");
                break "its connection dropped".to_owned();
            }
        }
    };
    // The engine has stopped if this fails.
    let _ = engine.send(Input::Disconnected { member, session, reason }).await;
}
