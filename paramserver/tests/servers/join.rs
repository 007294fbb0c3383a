//! A member and a driver that behaves as a test wants it to.

use std::{
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::{Stream, StreamExt};
use howdah_paramserver::role::join::{Join, JoinError, JoinEvent, Member, RefusedReason, Vitals};
use howdah_proto::{
    MemberId, PROTOCOL_VERSION, SessionId,
    pb::{
        self,
        membership_server::{Membership, MembershipServer},
        refused::Reason,
        register_reply::Outcome,
        register_request::Role,
    },
    registry::OperatorVersions,
    transport,
};
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status, Streaming, transport::server::TcpIncoming};

/// After how many milliseconds without an answer a member says that the driver is silent.
const USUAL_MILLIS: u32 = 100;

/// Refuses for the given reason, or takes members in, answers two beats of each session, and hangs up.
struct Driver {
    refusal: Option<Reason>,
    /// It answers nothing but registrations before it goes on.
    stands_still: watch::Receiver<bool>,
    sessions: AtomicU64,
    beats: mpsc::UnboundedSender<pb::Beat>,
}

#[tonic::async_trait]
impl Membership for Driver {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterReply>, Status> {
        let request = request.into_inner();
        assert_eq!(request.protocol_version, PROTOCOL_VERSION);
        let outcome = match self.refusal {
            Some(reason) => Outcome::Refused(pb::Refused {
                reason: reason.into(),
                message: format!("{} is not welcome", request.name),
            }),
            None => {
                let session = self.sessions.fetch_add(1, Ordering::SeqCst) + 1;
                let (heartbeat_interval_ms, heartbeat_timeout_ms) = (10, USUAL_MILLIS);
                let member_id = 40 + session;
                Outcome::Accepted(pb::Accepted {
                    member_id,
                    session,
                    heartbeat_interval_ms,
                    heartbeat_timeout_ms,
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
        let beats = self.beats.clone();
        let stands_still = self.stands_still.clone();
        let replies = request.into_inner().take(2).then(move |beat| {
            let mut stands_still = stands_still.clone();
            let noted = beat.map(|beat| {
                let sequence = beat.sequence;
                beats.send(beat).ok();
                pb::BeatReply { sequence }
            });
            async move {
                stands_still.wait_for(|stands_still| !stands_still).await.ok();
                noted
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

async fn driver(refusal: Option<Reason>) -> (String, mpsc::UnboundedReceiver<pb::Beat>) {
    let (_, goes) = watch::channel(false);
    driver_that(refusal, goes).await
}

async fn driver_that(
    refusal: Option<Reason>,
    stands_still: watch::Receiver<bool>,
) -> (String, mpsc::UnboundedReceiver<pb::Beat>) {
    let (beats, received) = mpsc::unbounded_channel();
    let driver = Driver { refusal, stands_still, sessions: AtomicU64::new(0), beats };
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}", incoming.local_addr().unwrap());
    let service = MembershipServer::new(driver);
    tokio::spawn(transport::server().add_service(service).serve_with_incoming(incoming));
    (address, received)
}

fn join(driver: String) -> Join {
    let role = Role::Paramserver(pb::ParamserverRole {});
    let (name, address) = ("tusk".to_owned(), "http://127.0.0.1:9".to_owned());
    let member = Member { role, name, address, operators: OperatorVersions::new() };
    Join { driver, member, give_up_after: None }
}

fn vitals() -> Vitals {
    Vitals { used_bytes: 123, draining: true }
}

#[tokio::test]
async fn a_refusal_is_final_and_keeps_the_drivers_words() {
    let (driver, _) = driver(Some(Reason::Registry)).await;
    let error = join(driver.clone()).stay(vitals, || 0.0, |event| panic!("{event:?}")).await;
    assert!(matches!(error, JoinError::Refused { reason: RefusedReason::Registry, .. }), "{error}");
    assert_eq!(error.to_string(), format!("the driver at {driver} refuses this member: tusk is not welcome"));
}

#[tokio::test]
async fn a_member_that_loses_the_driver_registers_anew() {
    let (driver, mut beats) = driver(None).await;
    let (sender, mut events) = mpsc::unbounded_channel();
    let member = tokio::spawn(async move {
        let on_event = move |event| sender.send(event).unwrap();
        join(driver).stay(vitals, || 1.0, on_event).await
    });
    for round in 1..=2 {
        let joined = events.recv().await.unwrap();
        let JoinEvent::Joined { member, session, .. } = joined else { panic!("{joined:?}") };
        assert_eq!((member, session), (MemberId(40 + round), SessionId(round)));
        let beat = beats.recv().await.unwrap();
        let expected =
            pb::Beat { member_id: 40 + round, session: round, sequence: 1, used_bytes: 123, draining: true };
        assert_eq!(beat, expected);
        assert_eq!(beats.recv().await.unwrap().sequence, 2);
        assert!(matches!(events.recv().await.unwrap(), JoinEvent::Lost { .. }));
    }
    member.abort();
}

#[tokio::test]
async fn a_driver_that_stands_still_is_waited_for() {
    let (still, stands_still) = watch::channel(true);
    let (driver, mut beats) = driver_that(None, stands_still).await;
    let (sender, mut events) = mpsc::unbounded_channel();
    let member = tokio::spawn(async move {
        let on_event = move |event| sender.send(event).unwrap();
        join(driver).stay(vitals, || 1.0, on_event).await
    });
    assert!(matches!(events.recv().await, Some(JoinEvent::Joined { .. })));
    beats.recv().await.unwrap();
    let long = 5 * Duration::from_millis(USUAL_MILLIS.into());
    let lost = tokio::time::timeout(long, events.recv()).await;
    assert!(lost.is_err(), "{lost:?}");
    still.send(false).unwrap();
    // It answers the first beat and a second one, and hangs up.
    assert_eq!(beats.recv().await.unwrap().sequence, 2);
    let Some(JoinEvent::Lost { reason }) = events.recv().await else { panic!("it stays") };
    assert_eq!(reason, "the driver has ended the session");
    member.abort();
}

#[tokio::test]
async fn something_else_that_answers_is_no_driver() {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}", incoming.local_addr().unwrap());
    let (_, health) = tonic_health::server::health_reporter();
    tokio::spawn(transport::server().add_service(health).serve_with_incoming(incoming));
    let error = join(address).stay(vitals, || 0.0, |_| {}).await;
    assert!(matches!(error, JoinError::NotADriver { .. }), "{error}");
}

#[tokio::test]
async fn a_driver_that_stays_away_is_given_up_in_time() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let join = Join { give_up_after: Some(Duration::ZERO), ..join(format!("http://{free}")) };
    let error = join.stay(vitals, || 0.0, |_| {}).await;
    assert!(matches!(error, JoinError::GaveUp { .. }), "{error}");
}
