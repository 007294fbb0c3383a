use std::{error::Error, time::Duration};

use howdah_proto::transport::root_cause;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{ParametersError, Place};

/// How long and how often a client tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest that a call may take, with all its tries.
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

/// The tries of one call, within the caller's patience.
pub(super) struct Tries<'a> {
    place: &'a Place,
    patience: Patience,
    deadline: Instant,
    made: u32,
}

impl<'a> Tries<'a> {
    pub(super) fn new(place: &'a Place, patience: Patience) -> Self {
        Self { place, patience, deadline: Instant::now() + patience.deadline, made: 0 }
    }

    /// Runs one try. There is no value if it failed in a way that may pass, and it is time for the next one.
    pub(super) async fn run<T>(
        &mut self,
        one_try: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T>, ParametersError> {
        let (place, patience) = (self.place, self.patience);
        self.made += 1;
        let timed = tokio::time::timeout_at(self.deadline, one_try).await;
        match timed.map_err(|_| timeout(place, patience))? {
            Ok(value) => Ok(Some(value)),
            Err(failure) if self.made >= patience.tries || !is_transient(&failure) => {
                Err(explain(place, patience, failure))
            }
            Err(_) => {
                let pause = tokio::time::sleep(patience.pause(self.made));
                tokio::time::timeout_at(self.deadline, pause).await.map_err(|_| timeout(place, patience))?;
                Ok(None)
            }
        }
    }
}

// A status with a source was made on this side of a broken connection; no server sent it.
fn is_transient(failure: &Failure) -> bool {
    match failure {
        Failure::Status(status) => status.code() == Code::Unavailable || status.source().is_some(),
        Failure::Protocol(_) => false,
    }
}

fn timeout(place: &Place, patience: Patience) -> ParametersError {
    let (shard, address) = (place.shard, place.address.clone());
    ParametersError::Timeout { shard, address, deadline: patience.deadline }
}

fn explain(place: &Place, patience: Patience, failure: Failure) -> ParametersError {
    let (shard, address) = (place.shard, place.address.clone());
    let transient = is_transient(&failure);
    match failure {
        Failure::Protocol(reason) => ParametersError::Protocol { shard, address, reason },
        Failure::Status(status) if transient => {
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
    use howdah_proto::ShardIndex;

    use super::*;

    fn place() -> Place {
        Place { shard: ShardIndex(3), address: "http://10.0.0.9:7001".to_owned(), range: 0..1 }
    }

    async fn tries_until(error: Status) -> (u32, ParametersError) {
        let place = place();
        let mut tries = Tries::new(&place, Patience::default());
        loop {
            if let Err(last) = tries.run(async { Err::<(), _>(Failure::Status(error.clone())) }).await {
                return (tries.made, last);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_server_that_cannot_be_reached_is_asked_again() {
        let (tries, error) = tries_until(Status::unavailable("busy")).await;
        assert_eq!(tries, 6);
        assert_eq!(error.to_string(), "shard 3 at http://10.0.0.9:7001 can't be reached: busy");
        let (tries, error) = tries_until(Status::invalid_argument("NaN")).await;
        assert_eq!(tries, 1);
        assert!(matches!(error, ParametersError::Rejected { code: Code::InvalidArgument, .. }), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline() {
        let place = place();
        let never = std::future::pending::<Result<(), Failure>>();
        let error = Tries::new(&place, Patience::default()).run(never).await.unwrap_err();
        assert_eq!(error.to_string(), "shard 3 at http://10.0.0.9:7001 didn't answer within 60 s");
    }
}
