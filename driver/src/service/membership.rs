use std::{pin::Pin, sync::Arc};

use futures::Stream;
use howdah_proto::{
    MemberId, SessionId,
    pb::{self, membership_server::Membership, register_reply::Outcome},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Heartbeat;
use crate::{
    engine::{EngineHandle, Input},
    membership::{Origin, Standards},
};

pub(super) struct MembershipService {
    pub(super) engine: EngineHandle,
    pub(super) standards: Arc<Standards>,
    pub(super) heartbeat: Heartbeat,
}

#[tonic::async_trait]
impl Membership for MembershipService {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterReply>, Status> {
        let origin = origin(&request);
        let outcome = match self.standards.check(request.into_inner(), origin) {
            Err(refusal) => {
                tracing::warn!(%refusal, "refused a member");
                let reason = refusal.reason().into();
                Outcome::Refused(pb::Refused { reason, message: refusal.to_string() })
            }
            Ok(registration) => {
                let (id, session) = self.engine.ask(|reply| Input::Register { registration, reply }).await?;
                Outcome::Accepted(pb::Accepted {
                    member_id: id.0,
                    session: session.0,
                    heartbeat_interval_ms: self.heartbeat.interval.as_millis() as u32,
                    heartbeat_timeout_ms: self.heartbeat.timeout.as_millis() as u32,
                })
            }
        };
        Ok(Response::new(pb::RegisterReply { outcome: Some(outcome) }))
    }

    type LivenessStream = Pin<Box<dyn Stream<Item = Result<pb::BeatReply, Status>> + Send>>;

    async fn liveness(
        &self,
        request: Request<Streaming<pb::Beat>>,
    ) -> Result<Response<Self::LivenessStream>, Status> {
        let (replies, stream) = mpsc::channel(1);
        tokio::spawn(follow(self.engine.clone(), request.into_inner(), replies));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Where a request comes from; one that doesn't tell is taken for one from here.
fn origin<T>(request: &Request<T>) -> Origin {
    let ends = request.local_addr().zip(request.remote_addr());
    ends.map_or(Origin::Here, |(local, remote)| Origin::of(local.ip(), remote.ip()))
}

/// Takes beats until the stream ends: its end is how a dead member is noticed at once.
async fn follow(
    engine: EngineHandle,
    mut beats: Streaming<pb::Beat>,
    replies: mpsc::Sender<Result<pb::BeatReply, Status>>,
) {
    let mut last: Option<(MemberId, SessionId)> = None;
    let reason = loop {
        let beat = match beats.message().await {
            Ok(Some(beat)) => beat,
            Ok(None) => break "it left".to_owned(),
            Err(status) => {
                tracing::debug!(%status, "a stream of beats broke");
                break "its connection dropped".to_owned();
            }
        };
        let who = (MemberId(beat.member_id), SessionId(beat.session));
        if *last.get_or_insert(who) != who {
            let _ = replies.send(Err(Status::invalid_argument("a stream of beats is of one member"))).await;
            break "it sent the beats of another member".to_owned();
        }
        let sequence = beat.sequence;
        let known = engine.ask(|reply| Input::Beat { beat, reply }).await;
        let answer = match known {
            Ok(true) => Ok(pb::BeatReply { sequence }),
            Ok(false) => Err(Status::not_found("this registration is not known: register again")),
            Err(closed) => Err(closed.into()),
        };
        let over = answer.is_err();
        if replies.send(answer).await.is_err() || over {
            break "its connection dropped".to_owned();
        }
    };
    if let Some((member, session)) = last {
        // The engine has stopped if this fails.
        let _ = engine.send(Input::Disconnected { member, session, reason }).await;
    }
}
