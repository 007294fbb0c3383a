use std::time::Duration;

use futures::future::join_all;
use howdah_paramserver::client::{ParametersError, Patience, Place, ShardClient};
use howdah_proto::{JobId, MemberId, ShardIndex, Term, pb};
use tokio::sync::watch;

use super::live::Live;

/// Nobody asks for it another time: what a server isn't told, it keeps for ever. One that is away for longer is lost.
const UNTIL_HEARD: Patience =
    Patience { deadline: Duration::from_secs(600), tries: u32::MAX, first_pause: Duration::from_millis(50) };

/// Forgets the weights under a tag.
pub(super) async fn untag(job: JobId, places: Vec<pb::ShardPlace>, tag: u64) {
    let untagged = async {
        let shards = super::ask::shards(job, places, Patience::default())?;
        shards.untag(tag).await.map_err(|error| error.to_string())
    };
    if let Err(error) = untagged.await {
        tracing::warn!(%job, tag, %error, "the shards keep a tag that is no longer needed");
    }
}

/// Forgets what is kept of the replicas of an executor.
pub(super) async fn replicas(
    live: watch::Receiver<Live>,
    job: JobId,
    servers: Vec<String>,
    executor: MemberId,
) {
    let forget = move |server: ShardClient| async move { server.forget_replicas(executor).await };
    let or_say = "what is kept of a lost executor's replicas stays";
    for_each(live, job, servers, needs_both(job), forget, or_say).await;
}

/// Forgets the shards of a job that others have replaced.
pub(super) async fn replaced(
    live: watch::Receiver<Live>,
    job: JobId,
    servers: Vec<String>,
    places: Vec<pb::ShardPlace>,
) {
    let drop = |server: ShardClient| {
        let places = places.clone();
        async move { server.drop_replaced(&places).await }
    };
    let or_say = "shards that were replaced stay until their job ends";
    for_each(live, job, servers, needs_both(job), drop, or_say).await;
}

/// Forgets the shards of a job that has ended.
pub(super) async fn shards(live: watch::Receiver<Live>, job: JobId, servers: Vec<String>) {
    let drop = |server: ShardClient| async move { server.drop_job().await };
    // A server that is lost for a moment still has them when it is back.
    let is_needed = |_: &Live, _: &str| true;
    for_each(live, job, servers, is_needed, drop, "shards of an ended job could not be dropped").await;
}

/// A call that is for a server that serves a job.
fn needs_both(job: JobId) -> impl Fn(&Live, &str) -> bool {
    move |live, server| live.jobs.contains(&job) && live.servers.iter().any(|address| address == server)
}

/// Asks something of whole servers, of which a client of any shard will do, for as long as it is needed. No such call
/// outlives the engine.
async fn for_each<F: Future<Output = Result<(), ParametersError>>>(
    live: watch::Receiver<Live>,
    job: JobId,
    servers: Vec<String>,
    is_needed: impl Fn(&Live, &str) -> bool,
    ask: impl Fn(ShardClient) -> F,
    or_say: &str,
) {
    let each = servers.into_iter().map(|address| {
        let (mut live, is_needed, ask) = (live.clone(), &is_needed, &ask);
        async move {
            let place = Place {
                shard: ShardIndex(0),
                address: address.clone(),
                range: 0..1,
                term: Term(1),
                made: Term(1),
            };
            let asked = async { ask(ShardClient::new(job, place, UNTIL_HEARD)?).await };
            tokio::select! {
                ended = asked => ended,
                _ = live.wait_for(|live| !is_needed(live, &address)) => Ok(()),
            }
        }
    });
    for result in join_all(each).await {
        if let Err(error) = result {
            tracing::info!(%job, %error, "{or_say}");
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_paramserver::server::Paramserver;
    use tokio::time::Instant;
    use tonic::Code;

    use super::{
        super::fixture::{NOBODY, SPEC, listen, serve},
        *,
    };

    const JOB: JobId = JobId(1);

    fn shard(address: &str) -> ShardClient {
        let place = Place {
            shard: ShardIndex(0),
            address: address.to_owned(),
            range: 0..4,
            term: Term(1),
            made: Term(1),
        };
        ShardClient::new(JOB, place, Patience::default()).unwrap()
    }

    fn knowing(server: &str) -> watch::Sender<Live> {
        watch::Sender::new(Live { jobs: vec![JOB], servers: vec![server.to_owned()] })
    }

    #[tokio::test]
    async fn a_server_that_is_away_for_a_while_is_told_when_it_is_back() {
        let paramserver = Paramserver::default();
        let ((here, before), (there, address)) = (listen().await, listen().await);
        tokio::spawn(serve(paramserver.clone(), here));
        shard(&before).create(&SPEC).await.unwrap();
        tokio::spawn(async move {
            for _ in 0..Patience::default().tries {
                drop(there.accept().await.unwrap());
            }
            serve(paramserver, there).await;
        });
        let live = knowing(&address);
        shards(live.subscribe(), JOB, vec![address]).await;
        let gone = shard(&before).status().await.unwrap_err();
        assert!(matches!(gone, ParametersError::Rejected { code: Code::NotFound, .. }), "{gone}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_lost_is_asked_no_more_and_neither_is_one_whose_job_has_ended() {
        let gone = [
            Live { jobs: vec![JOB], servers: Vec::new() },
            Live { jobs: Vec::new(), servers: vec![NOBODY.to_owned()] },
        ];
        for left in gone {
            let live = knowing(NOBODY);
            let forgotten =
                tokio::spawn(replicas(live.subscribe(), JOB, vec![NOBODY.to_owned()], MemberId(1)));
            let begun = Instant::now();
            live.send_replace(left);
            forgotten.await.unwrap();
            assert!(begun.elapsed() < UNTIL_HEARD.deadline / 2, "{:?}", begun.elapsed());
        }
    }
}
