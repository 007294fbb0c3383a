//! The way into the cluster: a member registers with the driver and shows that it is alive.

use std::{future::Future, pin::pin, time::Duration};

use futures::StreamExt;
use howdah_proto::{
    MemberId, PROTOCOL_VERSION, SOFTWARE_VERSION, SessionId,
    pb::{
        self, membership_client::MembershipClient, refused::Reason, register_reply::Outcome,
        register_request::Role,
    },
    registry::{OperatorVersions, registry_hash, to_wire},
    transport::{self, ConnectError},
};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::IntervalStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, transport::Channel};

use super::{backoff, notify};

const ANSWER: Duration = Duration::from_secs(10);

/// How long a driver whose machine answers may stand still. What a member has is worth nothing without the driver, and
/// lost when it leaves: it leaves late.
const STANDSTILL: Duration = Duration::from_secs(600);

/// What a member tells the driver about itself when it registers.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its role.
    pub role: Role,
    /// Its name, for people.
    pub name: String,
    /// Where it listens, as `http://host:port`.
    pub address: String,
    /// The operators it knows.
    pub operators: OperatorVersions,
}

/// What a member tells the driver with every beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals {
    /// The bytes it holds for jobs.
    pub used_bytes: u64,
    /// Whether it finishes what it has and takes nothing new.
    pub draining: bool,
}

/// What happens between a member and the driver.
#[derive(Debug, Clone)]
pub enum JoinEvent {
    /// The driver has taken the member in.
    Joined {
        /// Its id.
        member: MemberId,
        /// This registration.
        session: SessionId,
        /// The connection to the driver.
        driver: Channel,
        /// To be cancelled by a member that can't go on with this registration: it registers again then.
        over: CancellationToken,
    },
    /// The driver is gone. The member tries to come back, under a new id and session.
    Lost {
        /// Why, for people.
        reason: String,
    },
}

/// Why the driver refuses a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedReason {
    /// It speaks another version of the protocol.
    ProtocolVersion,
    /// It knows other operators.
    Registry,
    /// It asks for something that makes no sense.
    BadRequest,
    /// The driver doesn't say.
    Other,
}

/// The end of a member's attempts to be in the cluster.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The driver's address isn't one.
    #[error(transparent)]
    Address(#[from] ConnectError),
    /// The driver refuses the member, and would again.
    #[error("the driver at {driver} refuses this member: {message}")]
    Refused {
        /// Where the driver is.
        driver: String,
        /// Why.
        reason: RefusedReason,
        /// The driver's own words.
        message: String,
    },
    /// Something else answers there.
    #[error("what answers at {driver} is no Howdah driver: {reason}")]
    NotADriver {
        /// The address.
        driver: String,
        /// What it says.
        reason: String,
    },
    /// The driver has been away for longer than the user wants to wait.
    #[error("the driver at {driver} couldn't be reached for {} s: {reason}", after.as_secs())]
    GaveUp {
        /// Where the driver should be.
        driver: String,
        /// How long the member tried.
        after: Duration,
        /// What went wrong the last time.
        reason: String,
    },
}

/// Draws a number for [`Join::stay`], from 0 to below 1.
pub fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library seeds each of these anew.
    (RandomState::new().hash_one(0) >> 11) as f64 / (1u64 << 53) as f64
}

enum End {
    Final(JoinError),
    Lost(String),
}

impl From<JoinError> for End {
    fn from(error: JoinError) -> Self {
        Self::Final(error)
    }
}

/// A member's way into the cluster.
#[derive(Debug, Clone)]
pub struct Join {
    /// Where the driver is, as `http://host:port`.
    pub driver: String,
    /// Who joins.
    pub member: Member,
    /// After how long without the driver it gives up; without it never.
    pub give_up_after: Option<Duration>,
}

impl Join {
    /// Registers, shows that the member is alive, and comes back whenever the driver was away. Tells systemd that
    /// the service is ready with the first registration, and feeds its watchdog.
    ///
    /// `vitals` are asked for with every beat. `jitter` gives numbers from 0 to below 1 that spread the members'
    /// returns. Ends only with an error; drop it to leave.
    pub async fn stay(
        &self,
        vitals: impl Fn() -> Vitals + Clone + Send + Sync + 'static,
        jitter: impl FnMut() -> f64,
        on_event: impl FnMut(JoinEvent),
    ) -> JoinError {
        tokio::select! {
            error = self.stay_unwatched(vitals, jitter, on_event) => error,
            never = notify::feed_watchdog() => match never {},
        }
    }

    async fn stay_unwatched(
        &self,
        vitals: impl Fn() -> Vitals + Clone + Send + Sync + 'static,
        mut jitter: impl FnMut() -> f64,
        mut on_event: impl FnMut(JoinEvent),
    ) -> JoinError {
        let mut away_since = Instant::now();
        let mut failures = 0;
        loop {
            let mut joined = false;
            let end = self.session(vitals.clone(), &mut joined, &mut on_event).await;
            let reason = match end {
                End::Final(error) => return error,
                End::Lost(reason) => reason,
            };
            if joined {
                (away_since, failures) = (Instant::now(), 0);
                on_event(JoinEvent::Lost { reason: reason.clone() });
            }
            failures += 1;
            let driver = self.driver.clone();
            if let Some(after) = self.give_up_after.filter(|after| away_since.elapsed() >= *after) {
                return JoinError::GaveUp { driver, after, reason };
            }
            let pause = backoff::pause(failures, jitter());
            tracing::warn!(driver, reason, ?pause, "the driver can't be reached; trying again");
            tokio::time::sleep(pause).await;
        }
    }

    /// One registration, from its beginning to its end.
    async fn session(
        &self,
        vitals: impl Fn() -> Vitals + Send + Sync + 'static,
        joined: &mut bool,
        on_event: &mut impl FnMut(JoinEvent),
    ) -> End {
        let driver = match transport::connect_to_driver(&self.driver).await {
            Ok(driver) => driver,
            Err(error @ ConnectError::Address { .. }) => return End::Final(error.into()),
            Err(error) => return End::Lost(error.to_string()),
        };
        let mut client = MembershipClient::new(driver.clone());
        let accepted = match self.register(&mut client).await {
            Ok(accepted) => accepted,
            Err(end) => return end,
        };
        *joined = true;
        notify::ready();
        let (member, session) = (MemberId(accepted.member_id), SessionId(accepted.session));
        let over = CancellationToken::new();
        on_event(JoinEvent::Joined { member, session, driver, over: over.clone() });
        End::Lost(tokio::select! {
            reason = show_life(&mut client, accepted, vitals) => reason,
            () = over.cancelled() => "this registration is over".to_owned(),
        })
    }

    async fn register(&self, client: &mut MembershipClient<Channel>) -> Result<pb::Accepted, End> {
        let request = pb::RegisterRequest {
            protocol_version: PROTOCOL_VERSION,
            software_version: SOFTWARE_VERSION.to_owned(),
            registry_hash: registry_hash(&self.member.operators).to_vec().into(),
            operators: to_wire(&self.member.operators),
            name: self.member.name.clone(),
            address: self.member.address.clone(),
            role: Some(self.member.role),
        };
        let lost = |reason: &str| End::Lost(reason.to_owned());
        let answer = timeout(ANSWER, client.register(request)).await;
        let answer = answer.map_err(|_| lost("the driver doesn't answer the registration"))?;
        let driver = self.driver.clone();
        match answer.map_err(|status| self.failed(&status))?.into_inner().outcome {
            Some(Outcome::Accepted(accepted)) => Ok(accepted),
            Some(Outcome::Refused(refused)) => Err(match refused.reason() {
                Reason::ShuttingDown => End::Lost(refused.message),
                reason => {
                    let reason = known(reason);
                    End::Final(JoinError::Refused { driver, reason, message: refused.message })
                }
            }),
            None => {
                let reason = "its answer to a registration is empty".to_owned();
                Err(End::Final(JoinError::NotADriver { driver, reason }))
            }
        }
    }

    fn failed(&self, status: &Status) -> End {
        let reason = describe(status);
        match status.code() {
            Code::Unimplemented => End::Final(JoinError::NotADriver { driver: self.driver.clone(), reason }),
            _ => End::Lost(reason),
        }
    }
}

/// Sends beats until the driver is gone, and tells why it is.
async fn show_life(
    client: &mut MembershipClient<Channel>,
    accepted: pb::Accepted,
    vitals: impl Fn() -> Vitals + Send + Sync + 'static,
) -> String {
    let interval = Duration::from_millis(u64::from(accepted.heartbeat_interval_ms.max(10)));
    let patience = Duration::from_millis(u64::from(accepted.heartbeat_timeout_ms)).max(2 * interval);
    let (member_id, session) = (accepted.member_id, accepted.session);
    let ticks = IntervalStream::new(tokio::time::interval(interval)).enumerate();
    let beats = ticks.map(move |(tick, _)| {
        let Vitals { used_bytes, draining } = vitals();
        pb::Beat { member_id, session, sequence: tick as u64 + 1, used_bytes, draining }
    });
    let mut replies = match wait(patience, client.liveness(beats)).await {
        Err(reason) => return reason,
        Ok(Err(status)) => return describe(&status),
        Ok(Ok(replies)) => replies.into_inner(),
    };
    loop {
        match wait(patience, replies.message()).await {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => return "the driver has ended the session".to_owned(),
            Ok(Err(status)) => return describe(&status),
            Err(reason) => return reason,
        }
    }
}

/// Waits for the driver for as long as it may stand still, and says so when it has been silent for longer than usual.
async fn wait<T>(usual: Duration, answer: impl Future<Output = T>) -> Result<T, String> {
    let mut answer = pin!(answer);
    let began = Instant::now();
    if let Ok(answer) = timeout(usual, &mut answer).await {
        return Ok(answer);
    }
    tracing::warn!("the driver hasn't answered for {usual:?}; it may stand still");
    let answer = timeout(STANDSTILL.saturating_sub(usual), answer).await;
    let silent = began.elapsed();
    let answer = answer.map_err(|_| format!("the driver hasn't answered for {silent:?}"))?;
    tracing::info!(?silent, "the driver answers again");
    Ok(answer)
}

fn describe(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => transport::root_cause(cause),
        None => status.message().to_owned(),
    }
}

fn known(reason: Reason) -> RefusedReason {
    match reason {
        Reason::ProtocolVersion => RefusedReason::ProtocolVersion,
        Reason::Registry => RefusedReason::Registry,
        Reason::BadRequest => RefusedReason::BadRequest,
        Reason::ShuttingDown | Reason::Unspecified => RefusedReason::Other,
    }
}
