use std::time::Duration;

use futures::future::join_all;
use howdah_executor::learn::initial_weights;
use howdah_paramserver::client::{ParametersError, Patience, Place, ShardClient, Values};
use howdah_proto::{JobId, ShardIndex, Term, pb, settings::ShardSpec};
use tonic::Code;

use super::Io;
use crate::{
    engine::IoResult,
    train::{MakeShards, Origin, ShardFault, ShardIo},
};

/// Reading a shard from a store, and bringing a standby up to date, may take long; it fails at once with its server.
const LONG: Patience = Patience { deadline: Duration::from_secs(600), ..SHORT };
const SHORT: Patience =
    Patience { deadline: Duration::from_secs(30), tries: 3, first_pause: Duration::from_millis(50) };

/// The primary waits for as long as its standby comes nearer.
const ONCE: Patience = Patience { deadline: Duration::from_secs(60), tries: 1, ..SHORT };

fn client(job: JobId, place: pb::ShardPlace, patience: Patience) -> Result<ShardClient, ParametersError> {
    let range = place.start..place.start.saturating_add(place.len);
    let (shard, term, made) = (ShardIndex(place.shard), Term(place.term), Term(place.made));
    ShardClient::new(job, Place { shard, address: place.address, range, term, made }, patience)
}

/// Makes shards, and reports each when it is made.
pub(super) async fn make(io: &Io, job: JobId, make: MakeShards) {
    let MakeShards { shards, spec, origin } = make;
    let weights = match &origin {
        Origin::Initial { network: Some(network), seed } => {
            let (network, seed) = (network.clone(), *seed);
            let drawn = tokio::task::spawn_blocking(move || initial_weights(&network, seed)).await;
            drawn
                .map(|weights| Some(Values::from(weights)))
                .map_err(|error| ShardFault::Passing(error.to_string()))
        }
        _ => Ok(None),
    };
    let each = shards.into_iter().map(|(op, place)| {
        let (weights, spec, origin) = (weights.clone(), spec, &origin);
        async move {
            let shard = ShardIndex(place.shard);
            let result = match weights {
                Ok(weights) => make_one(job, place, &spec, origin, weights).await,
                Err(error) => Err(error),
            };
            io.report(job, IoResult::ShardDone { shard, op, result }).await;
        }
    });
    join_all(each).await;
}

async fn make_one(
    job: JobId,
    place: pb::ShardPlace,
    spec: &ShardSpec,
    origin: &Origin,
    weights: Option<Values>,
) -> Result<(), ShardFault> {
    let client = client(job, place, LONG).map_err(fault)?;
    match origin {
        Origin::Initial { .. } => {
            client.create(spec).await.map_err(fault)?;
            if let Some(part) = weights.and_then(|weights| weights.part(&client.place().range)) {
                client.write(&part).await.map_err(fault)?;
            }
        }
        Origin::Snapshot { folder, saved } => {
            client.restore(spec, folder, saved.clone()).await.map_err(fault)?;
        }
    }
    Ok(())
}

/// Asks something of the primary of a shard.
pub(super) async fn ask(job: JobId, request: ShardIo) -> IoResult {
    let (op, place) = match &request {
        ShardIo::Promote { op, place }
        | ShardIo::Attach { op, place, .. }
        | ShardIo::Check { op, place, .. }
        | ShardIo::Detach { op, place } => (*op, place.clone()),
    };
    let shard = ShardIndex(place.shard);
    let result = perform(job, request).await.map_err(fault);
    IoResult::ShardDone { shard, op, result }
}

/// A file that isn't the one that was saved doesn't become it.
fn fault(error: ParametersError) -> ShardFault {
    match error {
        ParametersError::Rejected { code: Code::DataLoss, .. } => ShardFault::Lasting(error.to_string()),
        ParametersError::Rejected { code: Code::NotFound, .. } => ShardFault::Absent(error.to_string()),
        ParametersError::Unreachable { .. } | ParametersError::Timeout { .. } => {
            ShardFault::Unanswered(error.to_string())
        }
        _ => ShardFault::Passing(error.to_string()),
    }
}

async fn perform(job: JobId, request: ShardIo) -> Result<(), ParametersError> {
    match request {
        ShardIo::Promote { place, .. } => client(job, place, SHORT)?.promote().await.map(drop),
        // Not again by itself: by then another one may have been attached.
        ShardIo::Attach { op, place, standby } => {
            client(job, place, Patience { tries: 1, ..LONG })?.attach_standby(&standby, op.0).await
        }
        // Attaching the standby that there is waits until it has everything.
        ShardIo::Check { op, place, standby } => {
            client(job, place, ONCE)?.attach_standby(&standby, op.0).await
        }
        ShardIo::Detach { op, place } => client(job, place, SHORT)?.detach_standby(op.0).await,
    }
}

#[cfg(test)]
mod tests {
    use howdah_paramserver::server::Paramserver;

    use super::{
        super::fixture::{NOBODY, SPEC, listen, serve},
        *,
    };
    use crate::train::OpId;

    fn place(address: &str) -> pb::ShardPlace {
        pb::ShardPlace { shard: 0, address: address.to_owned(), start: 0, len: 4, term: 1, made: 1 }
    }

    /// Starts a parameter server that has no shards, and gives its address.
    async fn server() -> String {
        let (listener, address) = listen().await;
        tokio::spawn(serve(Paramserver::default(), listener));
        address
    }

    async fn fault_of(request: ShardIo) -> ShardFault {
        let answer = ask(JobId(1), request).await;
        let IoResult::ShardDone { result: Err(fault), .. } = answer else { panic!("{answer:?}") };
        fault
    }

    /// Checks a standby at an address where nobody is.
    async fn check(primary: &str) -> ShardFault {
        fault_of(ShardIo::Check { op: OpId(1), place: place(primary), standby: NOBODY.to_owned() }).await
    }

    async fn promote(standby: &str) -> ShardFault {
        let place = pb::ShardPlace { term: 2, ..place(standby) };
        fault_of(ShardIo::Promote { op: OpId(1), place }).await
    }

    #[tokio::test]
    async fn a_standby_that_is_silent_one_that_is_gone_and_one_that_refuses_are_told_apart() {
        let address = server().await;
        let fault = promote(NOBODY).await;
        assert!(matches!(fault, ShardFault::Unanswered(_)), "{fault:?}");
        let fault = promote(&address).await;
        assert!(matches!(fault, ShardFault::Absent(_)), "{fault:?}");
        let newer = pb::ShardPlace { term: 3, ..place(&address) };
        client(JobId(1), newer, SHORT).unwrap().create(&SPEC).await.unwrap();
        let fault = promote(&address).await;
        assert!(matches!(fault, ShardFault::Passing(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn only_a_primary_that_answers_says_that_its_standby_does_not_follow() {
        let address = server().await;
        let fault = check(NOBODY).await;
        assert!(matches!(fault, ShardFault::Unanswered(_)), "{fault:?}");
        let fault = check(&address).await;
        assert!(matches!(fault, ShardFault::Absent(_)), "it has started again: {fault:?}");
        let shard = client(JobId(1), place(&address), SHORT).unwrap();
        shard.create(&SPEC).await.unwrap();
        let fault = check(&address).await;
        assert!(matches!(&fault, ShardFault::Passing(reason) if reason.contains(NOBODY)), "{fault:?}");
    }
}
