use std::time::Duration;

use howdah_paramserver::server::{Paramserver, STAGING_BYTES};
use howdah_proto::pb::{self, clock_request::Action, push_reply::Outcome};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tonic::Status;

use crate::fixture::{BOUNDED, SPEC, Server, ShardAt, VALUES, is_moved};

#[tokio::test]
async fn what_was_acknowledged_is_on_the_standby_when_the_primary_dies() {
    let (primary, standby) = (Server::start(), Server::start());
    let shard = primary.shard(0, 1).await;
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();
    shard.push_ones(VALUES, 0, 1).await.unwrap();
    shard.attach(&standby).await.unwrap();
    shard.attach(&standby).await.unwrap();
    for step in 2..=4 {
        assert_eq!(shard.push_ones(VALUES, 0, step).await.unwrap().outcome(), Outcome::Applied);
    }
    shard.control().tag(pb::TagRequest { shard: shard.shard(), tag: 9 }).await.unwrap();
    primary.kill();
    let promoted = standby.shard(0, 2).await;
    promoted.promote().await.unwrap();
    promoted.promote().await.unwrap();
    assert_eq!(promoted.pull().await, vec![4.0; VALUES]);
    assert_eq!(promoted.push_ones(VALUES, 0, 4).await.unwrap().outcome(), Outcome::AlreadyApplied);
    assert_eq!(promoted.push_ones(VALUES, 0, 5).await.unwrap().outcome(), Outcome::Applied);
    let tagged = pb::PullRequest { shard: promoted.shard(), tag: Some(9), ..Default::default() };
    assert_eq!(promoted.pull_bytes(tagged).await.unwrap().0.version, 4);
}

#[tokio::test]
async fn initial_weights_that_are_set_later_reach_the_standby() {
    let (primary, standby) = (Server::start(), Server::start());
    let shard = primary.shard(0, 1).await;
    shard.create(0, 3, &SPEC).await.unwrap();
    shard.attach(&standby).await.unwrap();
    let header = pb::write_request::Part::Header(shard.reference);
    let data = pb::write_request::Part::Data([1f32, 2.0, 3.0].map(f32::to_le_bytes).concat().into());
    let parts = [header, data].map(|part| pb::WriteRequest { part: Some(part) });
    shard.exchange().write(tokio_stream::iter(parts)).await.unwrap();
    shard.push_ones(3, 0, 1).await.unwrap();
    let promoted = standby.shard(0, 2).await;
    promoted.promote().await.unwrap();
    assert_eq!(promoted.pull().await, [2.0, 3.0, 4.0]);
}

#[tokio::test]
async fn a_standby_that_is_attached_while_pushes_go_on_has_them_all() {
    // With room for one push, none may wait for the standby; with room for three, one may.
    for room in [STAGING_BYTES, 4 * VALUES as u64, 16 * VALUES as u64] {
        let (primary, standby) = (Server::with(Paramserver::new(room)), Server::start());
        let shard = primary.shard(0, 1).await;
        shard.create(0, VALUES as u64, &SPEC).await.unwrap();
        let mut pushers = JoinSet::new();
        for partition in 0..4 {
            let shard = primary.shard(0, 1).await;
            pushers.spawn(async move {
                for step in 1..=15 {
                    shard.push_ones(VALUES, partition, step).await.unwrap();
                }
            });
        }
        shard.attach(&standby).await.unwrap();
        while let Some(pushed) = pushers.join_next().await {
            pushed.unwrap();
        }
        primary.kill();
        let promoted = standby.shard(0, 2).await;
        promoted.promote().await.unwrap();
        assert_eq!(promoted.pull().await, vec![60.0; VALUES]);
        assert_eq!(promoted.marks().await, [(0, 15), (1, 15), (2, 15), (3, 15)]);
    }
}

/// Attaches a standby that takes the connection, and never says a word.
async fn attach_silent(shard: &ShardAt) -> (JoinHandle<Result<(), Status>>, (TcpListener, TcpStream)) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (attacher, address) = (shard.clone(), format!("http://{}", silent.local_addr().unwrap()));
    let attaching = tokio::spawn(async move { attacher.attach_at(&address).await });
    let (connection, _) = silent.accept().await.unwrap();
    (attaching, (silent, connection))
}

#[tokio::test]
async fn a_silent_standby_that_is_to_catch_up_leaves_room_for_pushes() {
    let primary = Server::with(Paramserver::new(16 * VALUES as u64));
    let shard = primary.shard(0, 1).await;
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();
    let (attaching, _connection) = attach_silent(&shard).await;
    let pushes = async {
        for step in 1..=12 {
            assert_eq!(shard.push_ones(VALUES, 0, step).await.unwrap().outcome(), Outcome::Applied);
        }
    };
    // Less than a push waits for room, or a connection is silent.
    tokio::time::timeout(Duration::from_secs(14), pushes).await.unwrap();
    assert!(!attaching.is_finished());
    shard.detach().await.unwrap();
    let standby = Server::start();
    shard.attach(&standby).await.unwrap();
    shard.push_ones(VALUES, 0, 13).await.unwrap();
    let promoted = standby.shard(0, 2).await;
    promoted.promote().await.unwrap();
    assert_eq!(promoted.pull().await, vec![13.0; VALUES]);
}

#[tokio::test]
async fn pushes_go_on_while_a_standby_is_brought_up_to_date() {
    let primary = Server::start();
    let shard = primary.shard(0, 1).await;
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();
    let (attaching, _connection) = attach_silent(&shard).await;
    for step in 1..=3 {
        assert_eq!(shard.push_ones(VALUES, 0, step).await.unwrap().outcome(), Outcome::Applied);
    }
    assert!(!attaching.is_finished());
    assert_eq!(shard.pull().await, vec![3.0; VALUES]);
}

#[tokio::test]
async fn a_promoted_standby_knows_who_is_ahead_and_who_has_left() {
    let (primary, standby) = (Server::start(), Server::start());
    let shard = primary.shard(0, 1).await;
    shard.create(0, VALUES as u64, &BOUNDED).await.unwrap();
    for slot in 0..3 {
        shard.clock(slot, Action::Enter, 0).await;
    }
    shard.clock(0, Action::Advance, 1).await;
    // Nothing moves here between attaching and the end.
    shard.attach(&standby).await.unwrap();
    let now = shard.clock(1, Action::Wait, 0).await.slowest;
    primary.kill();
    let promoted = standby.shard(0, 2).await;
    promoted.promote().await.unwrap();
    assert_eq!(promoted.clock(0, Action::Advance, 1).await.slowest, now);

    let next = Server::start();
    promoted.attach(&next).await.unwrap();
    promoted.clock(2, Action::Leave, 0).await;
    promoted.clock(1, Action::Advance, 1).await;
    promoted.clock(0, Action::Advance, 2).await;
    // A push is acknowledged after all that was told before it.
    promoted.push_ones(VALUES, 0, 1).await.unwrap();
    standby.kill();
    let last = next.shard(0, 3).await;
    last.promote().await.unwrap();
    let turn = last.clock(0, Action::Advance, 2).await;
    assert_eq!((turn.slowest, turn.may_go_on), (1, true));
    let ahead = {
        let last = last.clone();
        tokio::spawn(async move { last.clock(0, Action::Advance, 3).await })
    };
    // Nobody waits for the one that has left.
    assert!(last.clock(1, Action::Advance, 2).await.may_go_on);
    let turn = ahead.await.unwrap();
    assert_eq!((turn.slowest, turn.may_go_on), (2, true));
}

#[tokio::test]
async fn a_primary_whose_standby_was_promoted_acknowledges_nothing() {
    let (primary, standby) = (Server::start(), Server::start());
    let shard = primary.shard(0, 1).await;
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();
    shard.attach(&standby).await.unwrap();
    shard.push_ones(VALUES, 0, 1).await.unwrap();
    let promoted = standby.shard(0, 2).await;
    promoted.promote().await.unwrap();
    let refused = shard.push_ones(VALUES, 0, 2).await.unwrap_err();
    assert!(is_moved(&refused), "{refused}");
    let refused = shard.control().status(shard.reference).await.unwrap_err();
    assert!(is_moved(&refused), "{refused}");
    assert_eq!(promoted.marks().await, [(0, 1)]);
    assert_eq!(promoted.pull().await, vec![1.0; VALUES]);
}

#[tokio::test]
async fn nothing_is_acknowledged_without_the_standby_until_it_is_detached() {
    let (primary, standby) = (Server::start(), Server::start());
    let shard = primary.shard(0, 1).await;
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();
    shard.attach(&standby).await.unwrap();
    standby.kill();
    let pusher = shard.clone();
    let pushing = tokio::spawn(async move { pusher.push_ones(VALUES, 0, 1).await });
    while shard.status().await.pushes_applied == 0 {}
    // A mark would tell of the push: it waits too.
    let asker = shard.clone();
    let asking = tokio::spawn(async move {
        let task = Some(crate::fixture::task(0).into());
        asker.control().mark(pb::MarkRequest { shard: asker.shard(), task, attempt: 1 }).await
    });
    shard.status().await;
    assert!(!pushing.is_finished() && !asking.is_finished());
    shard.detach().await.unwrap();
    assert_eq!(pushing.await.unwrap().unwrap().outcome(), Outcome::Applied);
    assert_eq!(asking.await.unwrap().unwrap().into_inner().mark, 1);
}

#[tokio::test]
async fn what_is_asked_about_an_earlier_standby_and_comes_late_leaves_a_later_one_alone() {
    for comes_back in [false, true] {
        let (primary, first, second) = (Server::start(), Server::start(), Server::start());
        let later = if comes_back { &first } else { &second };
        let shard = primary.shard(0, 1).await;
        shard.create(0, VALUES as u64, &SPEC).await.unwrap();
        shard.attach_in_order(&first.address, 1).await.unwrap();
        shard.detach_in_order(2).await.unwrap();
        shard.attach_in_order(&later.address, 3).await.unwrap();
        // Tried again because its answer was lost; the first try was on its way for long.
        shard.detach_in_order(2).await.unwrap();
        let late = shard.attach_in_order(&first.address, 1).await.unwrap_err();
        assert_eq!(late.code(), tonic::Code::Cancelled, "{late}");
        shard.push_ones(VALUES, 0, 1).await.unwrap();
        let promoted = later.shard(0, 2).await;
        promoted.promote().await.unwrap();
        assert_eq!(promoted.pull().await, vec![1.0; VALUES], "comes back: {comes_back}");
    }
}

#[tokio::test]
async fn a_standby_that_is_detached_gives_its_memory_back_and_none_else_does() {
    let (primary, memory) = (Server::start(), Paramserver::default());
    let standby = Server::with(memory.clone());
    let shard = primary.shard(0, 1).await;
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();
    shard.attach(&standby).await.unwrap();
    assert!(memory.used_bytes() > 0);
    shard.detach().await.unwrap();
    let given_back = async {
        while memory.used_bytes() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given_back).await.unwrap();

    shard.attach(&standby).await.unwrap();
    let drop = |of: &ShardAt, pairing| {
        let (mut control, shard) = (of.control(), of.shard());
        async move { control.drop_standby(pb::DropStandbyRequest { shard, pairing }).await.unwrap() }
    };
    // The word about the first one comes late.
    let there = standby.shard(0, 1).await;
    drop(&there, 1).await;
    shard.push_ones(VALUES, 0, 1).await.unwrap();
    let promoted = there.in_term(2);
    promoted.promote().await.unwrap();
    for at in [&there, &promoted] {
        drop(at, 2).await;
    }
    assert_eq!(promoted.pull().await, vec![1.0; VALUES]);
}

#[tokio::test]
async fn two_servers_with_room_for_one_push_are_standbys_of_each_other() {
    let room = || Server::with(Paramserver::new(4 * VALUES as u64));
    let (one, two) = (room(), room());
    let mut pushers = JoinSet::new();
    for (index, primary, standby) in [(0, &one, &two), (1, &two, &one)] {
        let shard = primary.shard(index, 1).await;
        shard.create(u64::from(index) * VALUES as u64, VALUES as u64, &SPEC).await.unwrap();
        shard.attach(standby).await.unwrap();
        for partition in 0..3 {
            let shard = shard.clone();
            pushers.spawn(async move {
                for step in 1..=20 {
                    let applied = shard.push_ones(VALUES, partition, step).await.unwrap();
                    assert_eq!(applied.outcome(), Outcome::Applied);
                }
            });
        }
    }
    let all = async {
        while let Some(pushed) = pushers.join_next().await {
            pushed.unwrap()
        }
    };
    // Less than a push waits for room.
    tokio::time::timeout(Duration::from_secs(14), all).await.unwrap();
    for (index, standby) in [(0, &two), (1, &one)] {
        let promoted = standby.shard(index, 2).await;
        promoted.promote().await.unwrap();
        assert_eq!(promoted.pull().await, vec![60.0; VALUES]);
    }
}

#[tokio::test]
async fn a_standby_that_is_not_there_is_named() {
    let (primary, standby) = (Server::start(), Server::start());
    let shard = primary.shard(0, 1).await;
    shard.create(0, 4, &SPEC).await.unwrap();
    let address = standby.address.clone();
    standby.kill();
    let other = Server::start();
    let error = shard.attach_at(&address).await.unwrap_err();
    assert!(error.message().contains(&address), "{error}");
    shard.push_ones(4, 0, 1).await.unwrap();
    shard.attach(&other).await.unwrap();
}
