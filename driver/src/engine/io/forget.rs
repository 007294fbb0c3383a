use futures::future::join_all;
use howdah_paramserver::client::{ParametersError, Patience, Place, ShardClient};
use howdah_proto::{JobId, MemberId, ShardIndex, Term, pb};

/// Forgets the weights under a tag.
pub(super) async fn untag(job: JobId, places: Vec<pb::ShardPlace>, tag: u64) {
    let untagged =
        async { super::ask::shards(job, places)?.untag(tag).await.map_err(|error| error.to_string()) };
    if let Err(error) = untagged.await {
        tracing::warn!(%job, tag, %error, "the shards keep a tag that is no longer needed");
    }
}

/// Forgets what is kept of the replicas of an executor.
pub(super) async fn replicas(job: JobId, servers: Vec<String>, executor: MemberId) {
    let forget = move |server: ShardClient| async move { server.forget_replicas(executor).await };
    for_each(job, servers, forget, "what is kept of a lost executor's replicas stays").await;
}

/// Forgets the shards of a job that others have replaced.
pub(super) async fn replaced(job: JobId, servers: Vec<String>, places: Vec<pb::ShardPlace>) {
    let drop = |server: ShardClient| {
        let places = places.clone();
        async move { server.drop_replaced(&places).await }
    };
    for_each(job, servers, drop, "shards that were replaced stay until their job ends").await;
}

/// Forgets the shards of a job.
pub(super) async fn shards(job: JobId, servers: Vec<String>) {
    let drop = |server: ShardClient| async move { server.drop_job().await };
    for_each(job, servers, drop, "shards of an ended job could not be dropped").await;
}

/// Asks something of whole servers, of which a client of any shard will do.
async fn for_each<F: Future<Output = Result<(), ParametersError>>>(
    job: JobId,
    servers: Vec<String>,
    ask: impl Fn(ShardClient) -> F,
    else_say: &str,
) {
    let each = servers.into_iter().map(|address| {
        let place = Place { shard: ShardIndex(0), address, range: 0..1, term: Term(1) };
        let ask = &ask;
        async move { ask(ShardClient::new(job, place, Patience::default())?).await }
    });
    for result in join_all(each).await {
        if let Err(error) = result {
            tracing::info!(%job, %error, "{else_say}");
        }
    }
}
