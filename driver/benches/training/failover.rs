//! From the SIGKILL of the parameter server that holds the shards to the first push that their standbys accept.

use std::{
    collections::BTreeMap,
    pin::Pin,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use howdah_driver::{client::Client, local::LocalCluster};
use howdah_proto::{
    JobId, ShardIndex,
    event::{Event, Move, Recorded, Role},
    pb::{self, parameters_client::ParametersClient},
    settings::{Mode, PushEvery, TrainSettings},
    transport::endpoint,
};

use crate::run;

const SHARDS: u32 = 2;
const KILLS: u64 = 30;
/// Between two looks at whether a push was accepted.
const LOOK: Duration = Duration::from_millis(1);

type Events = Pin<Box<dyn Stream<Item = Event>>>;

/// Kills the parameter server with the primaries again and again while two replicas push after every step.
pub async fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = run::cluster(2, SHARDS, folder.path().to_owned()).await;
    let settings = TrainSettings {
        epochs: 1_000_000,
        mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
        shards: Some(SHARDS),
        shard_copies: 2,
        ..run::settings()
    };
    let mut client = Client::connect(&cluster.url()).await.expect("a driver");
    let job = client.submit("failover", &settings).await.expect("a job");
    let events = client.watch(job).await.expect("its events");
    let event = |recorded: Result<Recorded, _>| recorded.expect("an event").event;
    let mut trial = Trial { job, events: Box::pin(events.map(event)), terms: BTreeMap::new() };
    trial.wait_for_standbys(SHARDS as usize).await;
    let mut seconds = Vec::new();
    for kill in 0..KILLS {
        // Whoever is started again holds standbys, so the servers take turns as primaries.
        if let Some(took) = trial.kill(&cluster, kill).await {
            seconds.push(took.as_secs_f64());
            trial.wait_for_standbys(SHARDS as usize).await;
        }
    }
    client.cancel(job, "enough").await.expect("a driver");
    cluster.shutdown().await;
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share).round() as usize] * 1e3;
    println!(
        "from SIGKILL of a parameter server to the first push that a standby accepts, 16.9 MB in {SHARDS} shards, {} \
         times: median {:.0} ms, 90 % {:.0} ms, most {:.0} ms",
        seconds.len(),
        at(0.5),
        at(0.9),
        at(1.0),
    );
}

struct Trial {
    job: JobId,
    events: Events,
    /// How often each shard was given to a server.
    terms: BTreeMap<ShardIndex, u64>,
}

impl Trial {
    async fn next(&mut self) -> Event {
        match self.events.next().await.expect("a job that goes on") {
            Event::JobFailed { error, .. } => panic!("{error}"),
            event => event,
        }
    }

    async fn wait_for_standbys(&mut self, shards: usize) {
        let mut ready = std::collections::BTreeSet::new();
        while ready.len() < shards {
            match self.next().await {
                Event::StandbyAttached { shard, .. } => drop(ready.insert(shard)),
                Event::ShardMoved { shard, .. } => *self.terms.entry(shard).or_insert(1) += 1,
                _ => {}
            }
        }
    }

    /// Kills a server, and waits until one of the shards that it held takes a push elsewhere; none if it held none.
    async fn kill(&mut self, cluster: &LocalCluster, choice: u64) -> Option<Duration> {
        let killed = Instant::now();
        assert!(cluster.processes().kill(Role::Paramserver, choice), "a parameter server that runs");
        loop {
            match self.next().await {
                Event::ShardMoved { shard, address, how: Move::Promoted, .. } => {
                    let term = self.terms.entry(shard).or_insert(1);
                    *term += 1;
                    let term = *term;
                    self.first_push(&address, shard, term).await;
                    return Some(killed.elapsed());
                }
                // The server held standbys only: they are attached again.
                Event::StandbyAttached { .. } => {
                    self.wait_for_standbys(SHARDS as usize - 1).await;
                    return None;
                }
                _ => {}
            }
        }
    }

    async fn first_push(&self, address: &str, shard: ShardIndex, term: u64) {
        let mut client = ParametersClient::new(endpoint(address).expect("an address").connect_lazy());
        let shard = pb::ShardRef { job_id: self.job.0, shard: shard.0, term };
        let mut applied = None;
        loop {
            let now = client.status(shard).await.expect("a primary").into_inner().pushes_applied;
            if *applied.get_or_insert(now) < now {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
