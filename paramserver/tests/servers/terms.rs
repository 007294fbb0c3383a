use howdah_proto::pb;

use crate::fixture::{JOB, SPEC, Server, is_moved};

#[tokio::test]
async fn a_request_of_another_term_is_told_that_the_shard_has_moved() {
    let server = Server::start();
    let shard = server.shard(0, 2).await;
    shard.create(0, 10, &SPEC).await.unwrap();
    for term in [1, 3] {
        let other = shard.in_term(term);
        let refused = other.push_ones(10, 0, 1).await.unwrap_err();
        assert!(is_moved(&refused), "{refused}");
        let refused = other.control().status(other.reference).await.unwrap_err();
        assert!(is_moved(&refused), "{refused}");
    }
    assert_eq!(shard.status().await.pushes_applied, 0);
}

#[tokio::test]
async fn a_shard_of_a_higher_term_takes_the_place_of_a_lower_one() {
    let server = Server::start();
    let old = server.shard(0, 1).await;
    old.create(0, 10, &SPEC).await.unwrap();
    old.push_ones(10, 0, 1).await.unwrap();
    old.create(0, 10, &SPEC).await.unwrap();
    assert_eq!(old.status().await.pushes_applied, 1);
    let new = old.in_term(2);
    new.create(5, 20, &SPEC).await.unwrap();
    assert_eq!(new.pull().await, [0.0; 20]);
    assert!(is_moved(&old.push_ones(10, 0, 2).await.unwrap_err()));
    assert!(is_moved(&old.create(0, 10, &SPEC).await.unwrap_err()));
}

#[tokio::test]
async fn whoever_comes_late_to_a_shard_that_was_dropped_is_told_that_it_has_moved() {
    let (before, after) = (Server::start(), Server::start());
    let (old, new) = (before.shard(0, 1).await, after.shard(0, 2).await);
    old.create(0, 10, &SPEC).await.unwrap();
    new.create(0, 10, &SPEC).await.unwrap();
    new.push_ones(10, 0, 1).await.unwrap();
    let drop = pb::DropReplacedRequest { job_id: JOB, shards: vec![new.reference] };
    for at in [&old, &new, &old, &new] {
        at.control().drop_replaced(drop.clone()).await.unwrap();
    }
    let pull = |tag| pb::PullRequest { shard: old.shard(), tag, ..Default::default() };
    let refused = [
        old.push_ones(10, 0, 1).await.unwrap_err(),
        old.pull_bytes(pull(None)).await.unwrap_err(),
        // Not that the tag isn't there, which nobody would ask for again.
        old.pull_bytes(pull(Some(1))).await.unwrap_err(),
        old.control().status(old.reference).await.unwrap_err(),
        old.create(0, 10, &SPEC).await.unwrap_err(),
    ];
    for refused in refused {
        assert!(is_moved(&refused), "{refused}");
    }
    assert_eq!(new.status().await.pushes_applied, 1);
}
