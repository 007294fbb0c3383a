//! The side of a replica when its shard goes to the standby: what it holds, and what its pushes still owe.

use howdah_paramserver::client::{Combined, Parameters, PushKind, Wanted};
use howdah_proto::{Attempt, JobId, MemberId, ReplicaId, pb, settings::Encoding};

use crate::{
    fixture::{JOB, SPEC, Server, ShardAt},
    replica::{ENCODINGS, TASK, VALUES, assert_sum, patience, pulled, push, replica, wave},
};

/// A shard with a standby, and what replicas know of it.
struct Pair {
    primary: Server,
    standby: Server,
    shard: ShardAt,
    parameters: Parameters,
}

impl Pair {
    async fn start() -> Self {
        let (primary, standby) = (Server::start(), Server::start());
        let shard = primary.shard(0, 1).await;
        shard.create(0, VALUES as u64, &SPEC).await.unwrap();
        shard.attach(&standby).await.unwrap();
        let parameters = parameters(&primary, 1);
        Self { primary, standby, shard, parameters }
    }
}

fn parameters(server: &Server, term: u64) -> Parameters {
    Parameters::new(JobId(JOB), places(server, term), patience()).unwrap()
}

fn places(server: &Server, term: u64) -> Vec<pb::ShardPlace> {
    let address = server.address.clone();
    vec![pb::ShardPlace { shard: 0, address, start: 0, len: VALUES as u64, term, made: 1 }]
}

async fn promote(standby: &Server) -> ShardAt {
    let promoted = standby.shard(0, 2).await;
    promoted.promote().await.unwrap();
    promoted
}

#[tokio::test]
async fn a_finished_task_has_pushed_all_that_it_computed_though_its_primary_died_on_the_way() {
    for encoding in ENCODINGS {
        let Pair { primary, standby, parameters, .. } = Pair::start().await;
        let mut replica = replica(&parameters, encoding, Encoding::F32, false);
        replica.begin(TASK, Attempt(1)).await.unwrap();
        let mut primary = Some(primary);
        let mut expected = vec![0f64; VALUES];
        for step in 1..=6 {
            let values = wave(step);
            expected.iter_mut().zip(&values).for_each(|(sum, value)| *sum += f64::from(*value));
            let kind = if step == 6 { PushKind::Last } else { PushKind::Stream };
            let dies = step == 4;
            primary.take_if(|_| dies).into_iter().for_each(Server::kill);
            let pushing = push(&mut replica, &values, step, kind);
            let taking_over = async {
                if dies {
                    promote(&standby).await;
                    parameters.relocate(places(&standby, 2)).unwrap();
                }
            };
            let (pushed, ()) = tokio::join!(pushing, taking_over);
            assert_eq!(pushed, Combined::Accepted);
        }
        assert_sum(&pulled(&parameters).await, &expected, encoding);
    }
}

#[tokio::test]
async fn a_difference_is_never_added_to_what_another_primary_sent_under_the_same_version() {
    for (encoding, knows_first) in ENCODINGS.into_iter().flat_map(|pull| [(pull, true), (pull, false)]) {
        let Pair { primary, standby, shard, parameters: at_first } = Pair::start().await;
        let delta_pulls = |parameters: &Parameters| replica(parameters, Encoding::F32, encoding, true);
        let mut holder = delta_pulls(&at_first);
        push(&mut holder, &[1.0; VALUES], 1, PushKind::Stream).await;
        // The standby never hears of what comes now, and isn't told that there is another.
        let other = Server::start();
        shard.attach(&other).await.unwrap();
        push(&mut holder, &[64.0; VALUES], 2, PushKind::Stream).await;
        holder.pull(Wanted::Latest).await.unwrap();
        primary.kill();
        promote(&standby).await;
        let then = parameters(&standby, 2);
        // The new primary has a mirror of the version that the holder has of the old one.
        let mut other = delta_pulls(&then);
        push(&mut other, &[2.0; VALUES], 2, PushKind::Stream).await;
        other.pull(Wanted::Latest).await.unwrap();
        push(&mut other, &[4.0; VALUES], 3, PushKind::Stream).await;
        if knows_first {
            at_first.relocate(places(&standby, 2)).unwrap();
            holder.pull(Wanted::Latest).await.unwrap();
        } else {
            let learning = async { at_first.relocate(places(&standby, 2)).unwrap() };
            let (held, ()) = tokio::join!(holder.pull(Wanted::Latest), learning);
            held.unwrap();
        }
        let far = holder.weights().iter().map(|weight| (weight - 7.0).abs()).fold(0.0, f32::max);
        assert!(far < 0.05, "{encoding:?}, knows first: {knows_first}: {far}");
        // From here on differences are what they were before.
        push(&mut other, &[8.0; VALUES], 4, PushKind::Stream).await;
        holder.pull(Wanted::Latest).await.unwrap();
        let sent = holder.weights().iter().filter(|weight| (*weight - 15.0).abs() < 0.1).count();
        let least = if matches!(encoding, Encoding::TopK { .. }) { 1 } else { VALUES };
        assert!(sent >= least, "{encoding:?}, knows first: {knows_first}: {sent}");
    }
}

#[tokio::test]
async fn a_promoted_standby_sends_everything_to_who_holds_a_version_of_its_primary() {
    let Pair { primary, standby, shard, .. } = Pair::start().await;
    let replica = ReplicaId { member: MemberId(7), slot: 1 };
    let encoding = serde_json::to_string(&Encoding::Bf16).unwrap();
    let pull = |at: &ShardAt, held_version| pb::PullRequest {
        shard: at.shard(),
        replica: Some(replica.into()),
        held_version,
        encoding: encoding.clone(),
        ..Default::default()
    };
    shard.push_ones(VALUES, 0, 1).await.unwrap();
    shard.pull_bytes(pull(&shard, None)).await.unwrap();
    shard.push_ones(VALUES, 0, 2).await.unwrap();
    let (header, _) = shard.pull_bytes(pull(&shard, Some(1))).await.unwrap();
    assert_eq!((header.version, header.is_delta), (2, true));
    primary.kill();
    let promoted = promote(&standby).await;
    let (header, bytes) = promoted.pull_bytes(pull(&promoted, Some(2))).await.unwrap();
    assert_eq!((header.version, header.is_delta), (2, false));
    // A 2 as bfloat16.
    assert_eq!(bytes, [0x00, 0x40].repeat(VALUES));
}

#[tokio::test]
async fn a_pull_of_tagged_weights_waits_for_a_server_that_has_yet_to_be_given_its_shard() {
    let Pair { primary, standby, shard, .. } = Pair::start().await;
    shard.push_ones(VALUES, 0, 1).await.unwrap();
    // It has started again.
    let again = Server::start();
    let parameters = parameters(&again, 1);
    let mut weights = vec![f32::NAN; VALUES];
    let moving = async {
        primary.kill();
        let promoted = promote(&standby).await;
        promoted.control().tag(pb::TagRequest { shard: promoted.shard(), tag: 1 }).await.unwrap();
        parameters.relocate(places(&standby, 2)).unwrap();
    };
    let (pulled, ()) = tokio::join!(parameters.pull(&mut weights, Wanted::Tag(1)), moving);
    pulled.unwrap();
    assert_eq!(weights, vec![1.0; VALUES]);
}
