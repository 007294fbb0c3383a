//! The side of a replica, with servers over real sockets: encodings, moves and other cuts.

use std::time::Duration;

use howdah_paramserver::{
    client::{
        Combined, Parameters, Patience, PushKind, ReplicaClient, ReplicaOptions, ShardClient, Values, Wanted,
        balance, places,
    },
    server::Paramserver,
};
use howdah_proto::{
    Attempt, Epoch, JobId, MemberId, Partition, ReplicaId, Round, Step, Version,
    fence::{Fence, RoundPart, TrainTask},
    pb,
    settings::{
        Combine, Compression, Correction, Encoding, Mode, Pace, PushEvery, ShardSpec, StalenessScale,
        UpdateRule,
    },
    transport,
};
use tokio::task::AbortHandle;
use tonic::transport::server::TcpIncoming;

pub const JOB: JobId = JobId(3);
pub const VALUES: usize = 5_003;
pub const TASK: TrainTask = TrainTask { epoch: Epoch(1), partition: Partition(0) };
pub const ENCODINGS: [Encoding; 5] =
    [Encoding::F32, Encoding::Bf16, Encoding::F16, Encoding::Int8, Encoding::TopK { permille: 20 }];

fn spec(mode: Mode) -> ShardSpec {
    let correction = Correction { scale: StalenessScale::None, delay_compensation: None };
    ShardSpec {
        rule: UpdateRule::Sum,
        correction,
        mode,
        combine: Combine::Mean,
        pace: Pace::CONSTANT,
        average: None,
    }
}

pub fn stream() -> ShardSpec {
    spec(Mode::Asynchronous { push_every: PushEvery::Steps(1) })
}

pub async fn serve() -> (String, AbortHandle) {
    let server = Paramserver::default();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap().with_nodelay(Some(true));
    let address = format!("http://{}", incoming.local_addr().unwrap());
    let serving = tokio::spawn(transport::server().add_routes(server.routes()).serve_with_incoming(incoming));
    (address, serving.abort_handle())
}

pub async fn shards(count: u32, term: u64) -> (Vec<pb::ShardPlace>, Vec<AbortHandle>) {
    let (mut places, mut servers) = (Vec::new(), Vec::new());
    for (shard, range) in balance(VALUES as u64, count).into_iter().enumerate() {
        let (address, server) = serve().await;
        let (start, len) = (range.start, range.end - range.start);
        places.push(pb::ShardPlace { shard: shard as u32, address, start, len, term, made: 1 });
        servers.push(server);
    }
    (places, servers)
}

pub fn patience() -> Patience {
    Patience { tries: u32::MAX, deadline: Duration::from_secs(20), ..Patience::default() }
}

pub async fn parameters(places: Vec<pb::ShardPlace>, spec: &ShardSpec) -> Parameters {
    let parameters = Parameters::new(JOB, places, patience()).unwrap();
    parameters.create(spec).await.unwrap();
    parameters
}

pub fn replica(parameters: &Parameters, push: Encoding, pull: Encoding, delta_pulls: bool) -> ReplicaClient {
    let id = ReplicaId { member: MemberId(7), slot: 1 };
    let compression = Compression { push, pull, delta_pulls };
    let options = ReplicaOptions { id, compression, mirrored: false, adds_up: true };
    ReplicaClient::new(parameters.clone(), options)
}

pub fn fence(attempt: u32, step: u64) -> Fence {
    Fence::new(TASK, Attempt(attempt), Step(step), Step(step)).unwrap()
}

pub fn wave(step: u64) -> Vec<f32> {
    (0..VALUES).map(|value| ((value as f32 + 1.0) * (step as f32 + 0.3)).sin()).collect()
}

pub async fn push(replica: &mut ReplicaClient, values: &[f32], step: u64, kind: PushKind) -> Combined {
    replica.draft(kind).0.put(0, values);
    replica.push(&fence(1, step)).await.unwrap()
}

pub async fn pulled(parameters: &Parameters) -> Vec<f32> {
    let mut weights = vec![f32::NAN; VALUES];
    parameters.pull(&mut weights, Wanted::Latest).await.unwrap();
    weights
}

/// Asserts that weights are the sum of six pushes of values up to 1.
pub fn assert_sum(weights: &[f32], expected: &[f64], encoding: Encoding) {
    // Each push is rounded, and nothing makes that good.
    let off = if encoding == Encoding::Bf16 { 6.0 / 512.0 } else { 1e-4 };
    let far = weights.iter().zip(expected).position(|(w, e)| (f64::from(*w) - e).abs() > off);
    assert_eq!(far.map(|place| (weights[place], expected[place])), None, "{encoding:?}");
}

#[tokio::test]
async fn a_push_names_the_version_that_it_was_computed_on() {
    let parameters = parameters(shards(1, 1).await.0, &stream()).await;
    let mut replicas = [0, 1].map(|slot| {
        let id = ReplicaId { member: MemberId(7), slot };
        let options =
            ReplicaOptions { id, compression: Compression::default(), mirrored: false, adds_up: true };
        ReplicaClient::new(parameters.clone(), options)
    });
    for replica in &mut replicas {
        replica.pull(Wanted::Latest).await.unwrap();
        replica.adopt();
    }
    for (partition, replica) in (0..).zip(&mut replicas) {
        let task = TrainTask { partition: Partition(partition), ..TASK };
        replica.begin(task, Attempt(1)).await.unwrap();
        for step in 1..=2 {
            replica.draft(PushKind::Stream).0.put(0, &wave(step));
            let fence = Fence::new(task, Attempt(1), Step(step), Step(step)).unwrap();
            assert_eq!(replica.push(&fence).await.unwrap(), Combined::Accepted);
        }
    }
    // So many pushes were 0, 1, 2 and 3 versions behind: all were computed on the first one.
    assert_eq!(parameters.status().await.unwrap()[0].staleness, [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_finished_task_has_pushed_all_that_it_computed_whatever_the_encoding() {
    for encoding in ENCODINGS {
        let parameters = parameters(shards(3, 1).await.0, &stream()).await;
        let mut replica = replica(&parameters, encoding, Encoding::F32, false);
        replica.begin(TASK, Attempt(1)).await.unwrap();
        let mut expected = vec![0f64; VALUES];
        for step in 1..=6 {
            let values = wave(step);
            expected.iter_mut().zip(&values).for_each(|(sum, value)| *sum += f64::from(*value));
            let kind = if step == 6 { PushKind::Last } else { PushKind::Stream };
            assert_eq!(push(&mut replica, &values, step, kind).await, Combined::Accepted);
        }
        assert_sum(&pulled(&parameters).await, &expected, encoding);
    }
}

#[tokio::test]
async fn pulls_come_near_the_weights_in_every_encoding_and_deltas_do_not_add_their_errors_up() {
    for (pull, delta_pulls) in ENCODINGS
        .into_iter()
        .map(|encoding| (encoding, true))
        .chain([(Encoding::Bf16, false), (Encoding::Int8, false)])
    {
        let parameters = parameters(shards(2, 1).await.0, &stream()).await;
        let mut replica = replica(&parameters, Encoding::F32, pull, delta_pulls);
        for step in 1..=65 {
            // Deltas bring what the ones before have left out.
            let values = if step <= 5 { wave(step) } else { vec![0.0; VALUES] };
            push(&mut replica, &values, step, PushKind::Stream).await;
            replica.pull(Wanted::Latest).await.unwrap();
        }
        let weights = pulled(&parameters).await;
        let far = replica.weights().iter().zip(&weights).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 0.05, "{pull:?} {delta_pulls}: {far}");
    }
}

#[tokio::test]
async fn shards_without_a_lock_send_the_weights_where_a_difference_would_do() {
    let hogwild = spec(Mode::Hogwild { push_every: PushEvery::Steps(1) });
    for pull in ENCODINGS {
        let parameters = parameters(shards(2, 1).await.0, &hogwild).await;
        let mut replica = replica(&parameters, Encoding::F32, pull, true);
        for step in 1..=3 {
            push(&mut replica, &vec![1.0; VALUES], step, PushKind::Stream).await;
            replica.pull(Wanted::Latest).await.unwrap();
            assert!(replica.weights().iter().all(|weight| (weight - step as f32).abs() < 0.01), "{pull:?}");
        }
    }
}

#[tokio::test]
async fn a_shard_that_has_a_push_is_sent_nothing() {
    let parameters = parameters(shards(2, 1).await.0, &stream()).await;
    let ahead = &parameters.shards()[0];
    let ones = Values::from(vec![1.0; (ahead.place().range.end) as usize]);
    for step in 1..=3 {
        ahead.push(&ones, &fence(1, step)).await.unwrap();
    }
    let mut replica = replica(&parameters, Encoding::Bf16, Encoding::F32, false);
    assert_eq!(replica.begin(TASK, Attempt(2)).await.unwrap().lowest, Step(0));
    for step in 1..=4 {
        replica.draft(PushKind::Stream).0.fill(1.0);
        let pushed = replica.push(&fence(2, step)).await.unwrap();
        assert_eq!(pushed, Combined::Accepted);
    }
    let status = parameters.status().await.unwrap();
    let counted: Vec<_> = status.iter().map(|s| (s.pushes_applied, s.pushes_repeated)).collect();
    assert_eq!(counted, [(4, 0), (4, 0)]);
    assert_eq!(pulled(&parameters).await, vec![4.0; VALUES]);
}

#[tokio::test]
async fn a_push_goes_on_at_the_standby_that_takes_over() {
    let (mut at, servers) = shards(2, 1).await;
    let parameters = parameters(at.clone(), &stream()).await;
    let (standby, _server) = serve().await;
    let primary = ShardClient::new(JOB, places(at.clone()).unwrap().remove(0), patience()).unwrap();
    primary.attach_standby(&standby, 1).await.unwrap();
    let mut replica = replica(&parameters, Encoding::F32, Encoding::F32, false);
    push(&mut replica, &vec![1.0; VALUES], 1, PushKind::Stream).await;
    servers[0].abort();
    let pushing = async { push(&mut replica, &vec![1.0; VALUES], 2, PushKind::Stream).await };
    let taking_over = async {
        at[0].address = standby;
        at[0].term = 2;
        let heir = ShardClient::new(JOB, places(at.clone()).unwrap().remove(0), patience()).unwrap();
        heir.promote().await.unwrap();
        parameters.relocate(at.clone()).unwrap();
    };
    let (pushed, ()) = tokio::join!(pushing, taking_over);
    assert_eq!(pushed, Combined::Accepted);
    assert_eq!(pulled(&parameters).await, vec![2.0; VALUES]);
}

#[tokio::test]
async fn pushes_and_pulls_go_on_in_another_cut() {
    let (one, _servers) = shards(1, 1).await;
    let parameters = parameters(one, &stream()).await;
    let mut replica = replica(&parameters, Encoding::F32, Encoding::F32, true);
    replica.pull(Wanted::Latest).await.unwrap();
    let (three, _others) = shards(3, 2).await;
    Parameters::new(JOB, three.clone(), patience()).unwrap().create(&stream()).await.unwrap();
    parameters.relocate(three).unwrap();
    assert_eq!(push(&mut replica, &vec![1.0; VALUES], 1, PushKind::Stream).await, Combined::Accepted);
    replica.pull(Wanted::Latest).await.unwrap();
    assert_eq!(replica.weights(), vec![1.0; VALUES]);
    assert_eq!(parameters.shards().len(), 3);
}

#[tokio::test]
async fn a_round_is_made_of_its_contributions_and_pulled_by_its_number() {
    let parameters = parameters(shards(2, 1).await.0, &spec(Mode::Synchronous { backups: 0 })).await;
    let part = RoundPart { round: Round(1), contributions: 2 };
    for (partition, value) in [(1, 4.0), (0, 2.0)] {
        let mut replica = replica(&parameters, Encoding::Bf16, Encoding::F32, false);
        replica.pull(Wanted::At(Version(0))).await.unwrap();
        replica.draft(PushKind::Round(part)).0.fill(value);
        let task = TrainTask { partition: Partition(partition), ..TASK };
        let fence = Fence::new(task, Attempt(1), Step(1), Step(1)).unwrap();
        assert_eq!(replica.push(&fence).await.unwrap(), Combined::Accepted);
        assert_eq!(replica.push(&fence).await.unwrap(), Combined::Accepted);
    }
    let mut replica = replica(&parameters, Encoding::F32, Encoding::F32, false);
    replica.pull(Wanted::At(Version(1))).await.unwrap();
    assert_eq!(replica.weights(), vec![3.0; VALUES]);
    assert!(replica.pull(Wanted::At(Version(2))).await.is_err());
}
