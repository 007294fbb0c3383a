use std::{error::Error, sync::Arc, time::Duration};

use howdah_proto::{Refusal, transport::root_cause};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{
    ParametersError, Place,
    connection::Connection,
    layout::{Layout, Moves, moved},
};

/// How long and how often a client tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest that a call may take with all its tries; counted anew when its shard has moved.
    pub deadline: Duration,
    /// How often a call is tried, at least once.
    pub tries: u32,
    /// The pause after the first try; it doubles from try to try, up to 2 s.
    pub first_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(60), tries: 6, first_pause: Duration::from_millis(50) }
    }
}

impl Patience {
    fn pause(&self, tries: u32) -> Duration {
        const LONGEST: Duration = Duration::from_secs(2);
        self.first_pause.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST)
    }
}

/// What one try of a call may end with.
#[derive(Debug)]
pub(super) enum Failure {
    Status(Status),
    /// What came makes no sense.
    Protocol(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Failure {
    // A status with a source was made on this side of a broken connection; no server sent it.
    fn is_unreachable(&self) -> bool {
        match self {
            Self::Status(status) => status.code() == Code::Unavailable || status.source().is_some(),
            Self::Protocol(_) => false,
        }
    }

    /// Whether another term of the shard is known there: it is elsewhere, or will be.
    fn is_moved(&self) -> bool {
        matches!(self, Self::Status(status) if Refusal::of(status) == Some(Refusal::Moved))
    }

    /// Whether the server has started again, and has yet to be given its shards.
    fn is_absent(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::NotFound)
    }
}

/// Where the tries of a call go when their shard moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// Wherever it is.
    Always,
    /// To where it has all that it acknowledged.
    Unforgetting,
}

/// The tries of one call, within the caller's patience. They follow the shard when it moves.
pub(super) struct Tries {
    at: Connection,
    moves: Option<Moves>,
    follows: Option<Follows>,
    patience: Patience,
    deadline: Instant,
    tried: u32,
    sent: u32,
}

impl Tries {
    pub(super) fn new(at: Connection, moves: Option<Moves>, follows: Follows, patience: Patience) -> Self {
        let (follows, deadline) = (moves.as_ref().map(|_| follows), Instant::now() + patience.deadline);
        Self { at, moves, follows, patience, deadline, tried: 0, sent: 0 }
    }

    /// Where the next try goes.
    pub(super) fn connection(&self) -> Connection {
        self.at.clone()
    }

    /// Whether there was more than one try, so that an earlier one may have had its effect.
    pub(super) fn was_repeated(&self) -> bool {
        self.sent > 1
    }

    /// Runs one try. There is no value if it failed in a way that may pass, and it is time for the next one. A try
    /// is given up as soon as its shard is known to be elsewhere.
    pub(super) async fn run<T>(
        &mut self,
        one_try: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T>, ParametersError> {
        let Some(mut moves) = self.moves.take() else { return self.attempt(one_try).await };
        let place = self.at.place.clone();
        let ended = tokio::select! {
            biased;
            layout = moved(&mut moves, &place) => Err(layout),
            ended = self.attempt(one_try) => Ok(ended),
        };
        self.moves = Some(moves);
        match ended {
            Ok(ended) => ended,
            Err(layout) => self.go_to(&layout).map(|()| None),
        }
    }

    fn go_to(&mut self, layout: &Arc<Layout>) -> Result<(), ParametersError> {
        let shard = self.at.place.shard;
        let there = layout.find(&self.at.place).ok_or(ParametersError::Recut { shard })?;
        if self.follows == Some(Follows::Unforgetting) && there.place.made != self.at.place.made {
            return Err(ParametersError::Remade { shard });
        }
        self.at = there.clone();
        self.tried = 0;
        self.deadline = Instant::now() + self.patience.deadline;
        Ok(())
    }

    async fn attempt<T>(
        &mut self,
        one_try: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T>, ParametersError> {
        let (place, patience) = (&self.at.place, self.patience);
        let follows = self.follows.is_some();
        let may_pass = |failure: &Failure| {
            failure.is_unreachable() || failure.is_moved() || (follows && failure.is_absent())
        };
        self.tried += 1;
        self.sent = self.sent.saturating_add(1);
        let timed = tokio::time::timeout_at(self.deadline, one_try).await;
        match timed.map_err(|_| timeout(place, patience))? {
            Ok(value) => Ok(Some(value)),
            Err(failure) if self.tried >= patience.tries || !may_pass(&failure) => {
                Err(explain(place, patience, failure))
            }
            Err(failure) => {
                let pause = patience.pause(self.tried);
                if Instant::now() + pause >= self.deadline {
                    return Err(explain(place, patience, failure));
                }
                tokio::time::sleep(pause).await;
                Ok(None)
            }
        }
    }
}

fn timeout(place: &Place, patience: Patience) -> ParametersError {
    let (shard, address) = (place.shard, place.address.clone());
    ParametersError::Timeout { shard, address, deadline: patience.deadline }
}

fn explain(place: &Place, patience: Patience, failure: Failure) -> ParametersError {
    let (shard, address) = (place.shard, place.address.clone());
    let is_unreachable = failure.is_unreachable();
    match failure {
        Failure::Protocol(reason) => ParametersError::Protocol { shard, address, reason },
        Failure::Status(status) if is_unreachable => {
            let reason = status.source().map_or_else(|| status.message().to_owned(), root_cause);
            ParametersError::Unreachable { shard, address, reason }
        }
        Failure::Status(status) if status.code() == Code::DeadlineExceeded => timeout(place, patience),
        Failure::Status(status) => {
            let (code, reason) = (status.code(), status.message().to_owned());
            ParametersError::Rejected { shard, address, code, reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{JobId, ShardIndex, Term};
    use tokio::sync::watch;

    use super::*;

    fn place(address: &str, term: u64, end: u64) -> Place {
        let (term, made) = (Term(term), Term(1));
        Place { shard: ShardIndex(0), address: address.to_owned(), range: 0..end, term, made }
    }

    fn layout(place: Place) -> Arc<Layout> {
        Arc::new(Layout::new(JobId(1), vec![place]).unwrap())
    }

    const OLD: &str = "http://10.0.0.9:7001";
    const NEW: &str = "http://10.0.0.8:7001";

    fn fixed() -> Tries {
        let at = layout(place(OLD, 1, 1)).connections[0].clone();
        Tries::new(at, None, Follows::Always, Patience::default())
    }

    fn following(follows: Follows) -> (Tries, watch::Sender<Arc<Layout>>) {
        let (sender, moves) = watch::channel(layout(place(OLD, 1, 1)));
        let at = moves.borrow().connections[0].clone();
        (Tries::new(at, Some(moves), follows, Patience::default()), sender)
    }

    async fn tries_until(error: Status) -> (u32, ParametersError) {
        let mut tries = fixed();
        loop {
            if let Err(last) = tries.run(async { Err::<(), _>(Failure::Status(error.clone())) }).await {
                return (tries.tried, last);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_server_that_cannot_be_reached_or_a_shard_that_has_moved_is_asked_again() {
        let (tries, error) = tries_until(Status::unavailable("busy")).await;
        assert_eq!(tries, 6);
        assert_eq!(error.to_string(), "shard 0 at http://10.0.0.9:7001 can't be reached: busy");
        let (tries, _) = tries_until(Refusal::Moved.status("the term is 2")).await;
        assert_eq!(tries, 6);
        for refused in [Status::invalid_argument("NaN"), Status::failed_precondition("it is at version 3")] {
            let (tries, error) = tries_until(refused.clone()).await;
            assert_eq!(tries, 1);
            let ParametersError::Rejected { code, .. } = error else { panic!("{error}") };
            assert_eq!(code, refused.code());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline() {
        let never = std::future::pending::<Result<(), Failure>>();
        let error = fixed().run(never).await.unwrap_err();
        assert_eq!(error.to_string(), "shard 0 at http://10.0.0.9:7001 didn't answer within 60 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_in_flight_goes_to_the_new_place_at_once() {
        let (mut tries, places) = following(Follows::Always);
        let started = Instant::now();
        let (ended, ()) = tokio::join!(tries.run(std::future::pending::<Result<(), Failure>>()), async {
            drop(places.send_replace(layout(place(NEW, 2, 1))))
        });
        assert_eq!(ended, Ok(None));
        assert_eq!((tries.connection().place.address.as_str(), tries.connection().shard.term), (NEW, 2));
        assert_eq!(tries.run(async { Ok(7) }).await, Ok(Some(7)));
        assert!(tries.was_repeated());
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_when_the_shard_has_moved() {
        let (mut tries, places) = following(Follows::Always);
        let started = Instant::now();
        let refused = async { Err::<(), _>(Failure::Status(Refusal::Moved.status("away"))) };
        let (ended, ()) =
            tokio::join!(tries.run(refused), async { drop(places.send_replace(layout(place(NEW, 2, 1)))) });
        assert_eq!((ended, started.elapsed()), (Ok(None), Duration::ZERO));
        assert_eq!(tries.tried, 0);
    }

    #[tokio::test]
    async fn a_call_to_a_shard_that_is_cut_anew_ends() {
        let (mut tries, places) = following(Follows::Always);
        places.send_replace(layout(place(NEW, 2, 3)));
        let ended = tries.run(async { Ok(7) }).await;
        assert_eq!(ended, Err(ParametersError::Recut { shard: ShardIndex(0) }));
    }

    #[tokio::test]
    async fn a_call_that_builds_upon_others_goes_to_a_standby_and_not_to_a_shard_made_anew() {
        let (mut tries, places) = following(Follows::Unforgetting);
        places.send_replace(layout(place(NEW, 2, 1)));
        assert_eq!(tries.run(async { Ok(7) }).await, Ok(None));
        assert_eq!(tries.connection().shard.term, 2);
        for term in [3, 4] {
            // Also when a standby of the new one has taken over.
            places.send_replace(layout(Place { made: Term(3), ..place(OLD, term, 1) }));
            let ended = tries.run(async { Ok(7) }).await;
            assert_eq!(ended, Err(ParametersError::Remade { shard: ShardIndex(0) }));
        }
    }
}
