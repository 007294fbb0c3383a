use bytes::Bytes;
use howdah_paramserver::{codec, server::Paramserver};
use howdah_proto::{
    pb::{self, clock_request::Action, push_reply::Outcome, push_request},
    settings::{Encoding, Mode, PushEvery, ShardSpec},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::fixture::{BOUNDED, SPEC, Server, ShardAt, VALUES};

fn json(encoding: Encoding) -> String {
    serde_json::to_string(&encoding).unwrap()
}

async fn shard(server: &Server, spec: &ShardSpec) -> ShardAt {
    let shard = server.shard(0, 1).await;
    shard.create(0, VALUES as u64, spec).await.unwrap();
    shard
}

#[tokio::test]
async fn encoded_pushes_and_pulls_are_understood() {
    let server = Server::start();
    let shard = shard(&server, &SPEC).await;
    for (step, encoding) in [Encoding::Bf16, Encoding::F16, Encoding::Int8].into_iter().enumerate() {
        let mut encoded = Vec::new();
        codec::encode(encoding, &vec![1.0; VALUES], None, &mut encoded);
        let mut header = shard.header(0, step as u64 + 1);
        header.encoding = json(encoding);
        header.encoded_bytes = encoded.len() as u64;
        let reply = shard.push_bytes(header, encoded.into()).await.unwrap();
        assert_eq!(reply.outcome(), Outcome::Applied);

        let request =
            pb::PullRequest { shard: shard.shard(), encoding: json(encoding), ..Default::default() };
        let (header, bytes) = shard.pull_bytes(request).await.unwrap();
        assert_eq!((header.encoding, header.encoded_bytes), (json(encoding), bytes.len() as u64));
        let mut values = vec![f32::NAN; VALUES];
        codec::decode(encoding, &bytes, &mut values).unwrap();
        assert!(values.iter().all(|value| (value - (step as f32 + 1.0)).abs() < 0.05));
    }
    assert_eq!(shard.pull().await, vec![3.0; VALUES]);
}

#[tokio::test]
async fn a_push_that_lies_about_its_length_leaves_no_trace() {
    let server = Server::start();
    let shard = shard(&server, &SPEC).await;
    let mut encoded = Vec::new();
    codec::encode(Encoding::Int8, &vec![1.0; VALUES], None, &mut encoded);
    let length = encoded.len() as u64;
    for (announced, sent) in [(u64::MAX, length), (length, length - 1), (length - 1, length), (9, 9), (0, 0)]
    {
        let mut header = shard.header(0, 1);
        header.encoding = json(Encoding::Int8);
        header.encoded_bytes = announced;
        let bytes = Bytes::copy_from_slice(&encoded[..sent as usize]);
        let error = shard.push_bytes(header, bytes).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{announced} {sent}: {error}");
        assert!(error.message().contains("shard 0 of job 7"), "{error}");
    }
    let error = shard.push_ones(VALUES + 1, 0, 1).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    assert_eq!(shard.status().await.pushes_applied, 0);
    assert_eq!(shard.pull().await, vec![0.0; VALUES]);
}

#[tokio::test]
async fn a_version_that_is_not_there_is_refused_naming_both() {
    let server = Server::start();
    let shard = shard(&server, &SPEC).await;
    shard.push_ones(VALUES, 0, 1).await.unwrap();
    let at =
        |version| pb::PullRequest { shard: shard.shard(), at_version: Some(version), ..Default::default() };
    assert_eq!(shard.pull_bytes(at(1)).await.unwrap().0.version, 1);
    let error = shard.pull_bytes(at(2)).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("version 1") && error.message().contains("version 2"), "{error}");
}

#[tokio::test]
async fn a_round_is_applied_when_its_contributions_are_there() {
    let server = Server::start();
    let spec = ShardSpec { mode: Mode::Synchronous { backups: 0 }, ..SPEC };
    let shard = shard(&server, &spec).await;
    for (partition, version) in [(1, 0), (0, 1)] {
        let mut header = shard.header(partition, 1);
        header.round = Some(pb::Round { round: 1, contributions: 2 });
        for _ in 0..2 {
            shard.push(header.clone(), vec![1.0; VALUES]).await.unwrap();
        }
        assert_eq!(shard.status().await.version, version);
    }
    assert_eq!(shard.pull().await, vec![2.0; VALUES]);
}

#[tokio::test]
async fn the_weights_before_a_round_can_still_be_had_by_who_computes_it_for_another_shard() {
    let server = Server::start();
    let spec = ShardSpec { mode: Mode::Synchronous { backups: 0 }, ..SPEC };
    let shard = shard(&server, &spec).await;
    for round in 1..=2 {
        let mut header = shard.header(0, round);
        header.round = Some(pb::Round { round, contributions: 1 });
        shard.push(header, vec![1.0; VALUES]).await.unwrap();
    }
    let at =
        |version| pb::PullRequest { shard: shard.shard(), at_version: Some(version), ..Default::default() };
    for version in [1, 2] {
        let (header, values) = shard.pull_bytes(at(version)).await.unwrap();
        assert_eq!(header.version, version);
        assert_eq!(values, (version as f32).to_le_bytes().repeat(VALUES));
    }
    assert_eq!(shard.pull_bytes(at(0)).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_replica_that_is_too_far_ahead_waits_for_the_slowest() {
    let server = Server::start();
    let shard = shard(&server, &BOUNDED).await;
    let ask = |slot, action: Action, clock| {
        let shard = shard.clone();
        async move { shard.clock(slot, action, clock).await }
    };
    ask(0, Action::Enter, 0).await;
    ask(1, Action::Enter, 0).await;
    assert!(ask(0, Action::Advance, 1).await.may_go_on);
    let ahead = tokio::spawn(ask(0, Action::Advance, 2));
    assert!(ask(1, Action::Advance, 1).await.may_go_on);
    let reply = ahead.await.unwrap();
    assert!(reply.may_go_on);
    assert_eq!((reply.clock, reply.slowest), (2, 1));
    // Nobody waits for the replicas of a lost executor.
    let ahead = tokio::spawn(ask(0, Action::Advance, 5));
    ask(1, Action::Leave, 0).await;
    assert!(ahead.await.unwrap().may_go_on);
}

#[tokio::test]
async fn a_push_without_room_comes_back_later_and_a_pusher_that_vanishes_frees_its_room() {
    let server = Server::with(Paramserver::new(size_of::<f32>() as u64 * VALUES as u64));
    let shard = shard(&server, &SPEC).await;
    // It begins a push, for which there is room alone, and says no more.
    let (parts, stalled) = mpsc::channel(2);
    let half = Bytes::from(vec![0; 2 * VALUES]);
    for part in [push_request::Part::Header(shard.header(1, 1)), push_request::Part::Data(half)] {
        parts.send(pb::PushRequest { part: Some(part) }).await.unwrap();
    }
    let mut exchange = shard.exchange();
    let stalling = tokio::spawn(async move { exchange.push(ReceiverStream::new(stalled)).await });
    let mut steps = 1..;
    let mut push = async || {
        let step = steps.next().unwrap();
        (step, shard.push_ones(VALUES, 0, step).await)
    };
    // Some may come before it.
    let (refused, status) = loop {
        let (step, pushed) = push().await;
        if let Err(status) = pushed {
            break (step, status);
        }
    };
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("no room for another push yet"), "{status}");
    stalling.abort();
    drop(parts);
    assert_eq!(shard.push_ones(VALUES, 0, refused).await.unwrap().outcome(), Outcome::Applied);
    assert_eq!(shard.marks().await, [(0, refused)]);
    assert_eq!(shard.pull().await, vec![refused as f32; VALUES]);
}

#[tokio::test]
async fn pushes_without_a_lock_add_up_exactly() {
    let server = Server::start();
    let spec = ShardSpec { mode: Mode::Hogwild { push_every: PushEvery::Steps(1) }, ..SPEC };
    let reader = shard(&server, &spec).await;
    let mut pushers = JoinSet::new();
    for partition in 0..6 {
        let shard = server.shard(0, 1).await;
        pushers.spawn(async move {
            for step in 1..=10 {
                for _ in 0..2 {
                    shard.push_ones(VALUES, partition, step).await.unwrap();
                }
                shard.pull().await;
            }
        });
    }
    while let Some(pushed) = pushers.join_next().await {
        pushed.unwrap();
    }
    assert_eq!(reader.pull().await, vec![60.0; VALUES]);
    let status = reader.status().await;
    assert_eq!((status.pushes_applied, status.pushes_repeated, status.steps_applied), (60, 60, 60));
}
