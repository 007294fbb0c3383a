use std::sync::Arc;

use howdah_proto::{
    Attempt, Epoch, JobId, Partition, ShardIndex, Step, Version,
    fence::{Fence, TrainTask},
};

use super::*;
use crate::server::{staging::Staging, terms::is_moved};

fn link() -> Link {
    Link::new(ShardKey { job: JobId(1), shard: ShardIndex(0) })
}

/// A push of 1 KiB, when there is room for it.
async fn push(staging: &Staging, sequence: u64) -> Change {
    let task = TrainTask { epoch: Epoch(1), partition: Partition(0) };
    let fence = Fence::new(task, Attempt(1), Step(sequence), Step(sequence)).unwrap();
    let values = Arc::new(staging.take(256).await.unwrap());
    Change::Push { sequence, fence, round: None, base: Version(0), values }
}

#[tokio::test(start_paused = true)]
async fn what_a_standby_that_catches_up_has_no_room_for_is_in_another_image() {
    let (link, staging) = (link(), Staging::new(4 << 10));
    let pairing = link.attach("http://a:1").unwrap();
    let stale = link.image_position(&pairing);
    for sequence in 1..=20 {
        let change = push(&staging, sequence).await;
        let position = link.note(|| change);
        link.settled(position).await.unwrap();
    }
    link.acknowledge_before(&pairing, stale);
    assert_eq!(link.phase(&pairing), Some(Phase::CatchingUp), "the image lacks what was dropped");
    assert!(link.needs_image());
    assert!(!matches!(link.change(&pairing, stale).await, Some(Change::Push { .. })));

    let position = link.image_position(&pairing);
    assert!(!link.needs_image());
    let change = push(&staging, 21).await;
    link.note(|| change);
    link.acknowledge_before(&pairing, position);
    assert_eq!(link.phase(&pairing), Some(Phase::Paired));
    assert!(matches!(link.change(&pairing, position).await, Some(Change::Push { sequence: 21, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_push_waits_for_a_standby_that_catches_up_and_longer_with_each_image() {
    let link = link();
    let waits = async || {
        let begun = tokio::time::Instant::now();
        link.caught_up().await;
        begun.elapsed().as_secs()
    };
    assert_eq!(waits().await, 0, "there is none");
    let pairing = link.attach("http://a:1").unwrap();
    link.image_position(&pairing);
    assert_eq!(waits().await, 3);
    link.note(|| Change::Anew);
    assert_eq!(waits().await, 0, "what it is being sent is of no use");
    let position = link.image_position(&pairing);
    assert_eq!(waits().await, 6);
    let (waited, ()) = tokio::join!(waits(), async { link.acknowledge_before(&pairing, position) });
    assert_eq!((waited, link.phase(&pairing)), (0, Some(Phase::Paired)));
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_was_sent_three_images_in_vain_is_given_up() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    for _ in 0..3 {
        let position = link.image_position(&pairing);
        link.note(|| Change::Anew);
        link.acknowledge_before(&pairing, position);
        assert_eq!(link.phase(&pairing), Some(Phase::CatchingUp));
    }
    let asked = async {
        tokio::task::yield_now().await;
        link.image_position(&pairing);
    };
    let (attached, (), ()) = tokio::join!(link.attached(), link.ended(&pairing), asked);
    let error = attached.unwrap_err();
    assert!(error.code() == Code::Aborted && error.message().contains("3 images"), "{error}");
    let another = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&another, link.image_position(&another));
    assert_eq!(link.phase(&another), Some(Phase::Paired));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_while_a_standby_is_away() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    let position = link.note(|| Change::Tag(1));
    link.settled(position).await.unwrap();
    link.acknowledge_before(&pairing, 0);
    let error = link.settled(position).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("http://a:1"), "{error}");
    link.acknowledge_before(&pairing, 1);
    link.settled(position).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_standby_is_waited_for_as_long_as_it_comes_nearer() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&pairing, 0);
    let position = (0..5).map(|tag| link.note(|| Change::Tag(tag))).max().unwrap();
    let follow = async {
        for acknowledged in 1..=position {
            tokio::time::sleep(WAIT * 3 / 4).await;
            link.acknowledge_before(&pairing, acknowledged);
        }
    };
    let (settled, ()) = tokio::join!(link.settled(position), follow);
    settled.unwrap();
}

#[tokio::test(start_paused = true)]
async fn detaching_lets_those_go_who_wait() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&pairing, 0);
    let position = link.note(|| Change::Tag(1));
    let (settled, ()) = tokio::join!(link.settled(position), async { link.detach() });
    settled.unwrap();
    assert!(link.change(&pairing, position).await.is_none());
    // A late acknowledgement doesn't bring it back.
    link.acknowledge_before(&pairing, position);
    assert_eq!(link.phase(&pairing), None);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_was_superseded_acknowledges_nothing() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&pairing, 0);
    let position = link.note(|| Change::Tag(1));
    link.supersede(&pairing, "term 2".to_owned());
    assert!(is_moved(&link.settled(position).await.unwrap_err()));
    link.detach();
    assert!(is_moved(&link.settled(position).await.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_another_cell_takes_the_place_is_not_acknowledged() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&pairing, 0);
    let position = link.note(|| Change::Tag(1));
    let give_up = async { link.give_up("term 2".to_owned()) };
    let (settled, change, (), ()) =
        tokio::join!(link.settled(position), link.change(&pairing, position), link.ended(&pairing), give_up);
    let refused = settled.unwrap_err();
    assert!(is_moved(&refused) && refused.message().contains("term 2"), "{refused}");
    assert!(change.is_none());
    // Its standby had it after all, and the forwarder finds out what happened.
    link.acknowledge_before(&pairing, position);
    link.supersede(&pairing, "later".to_owned());
    let refused = link.settled(position).await.unwrap_err();
    assert!(is_moved(&refused) && refused.message().contains("term 2"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_given_up_stays_so_with_or_without_a_standby() {
    for standby in [None, Some("http://a:1")] {
        let link = link();
        let pairing = standby.and_then(|address| link.attach(address));
        assert_eq!(pairing.is_some(), standby.is_some());
        link.give_up("term 2".to_owned());
        link.detach();
        assert_eq!(link.attach("http://b:1"), None);
        assert!(is_moved(&link.attached().await.unwrap_err()));
        let position = link.note(|| Change::Tag(1));
        assert!(is_moved(&link.settled(position).await.unwrap_err()));
    }
}

#[tokio::test]
async fn what_an_earlier_pairing_says_counts_for_nothing() {
    let link = link();
    let earlier = link.attach("http://a:1").unwrap();
    link.detach();
    let pairing = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&earlier, 0);
    link.supersede(&earlier, "term 2".to_owned());
    assert_eq!((link.phase(&earlier), link.phase(&pairing)), (None, Some(Phase::CatchingUp)));
}

#[tokio::test]
async fn a_standby_that_fails_while_it_catches_up_holds_nobody_up() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    assert!(link.attach("http://a:1").is_none());
    let position = link.note(|| Change::Tag(1));
    link.fail(&pairing, "gone".to_owned());
    link.settled(position).await.unwrap();
    let error = link.attached().await.unwrap_err();
    assert!(error.message().contains("http://a:1") && error.message().contains("gone"), "{error}");
    assert_eq!(error.code(), Code::Aborted, "the primary has answered");
    assert!(link.attach("http://a:1").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_primary_whose_standby_is_silent_says_so_and_not_that_it_is_away_itself() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&pairing, 0);
    let position = link.note(|| Change::Tag(1));
    assert_eq!(link.settled(position).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(link.attached().await.unwrap_err().code(), Code::Aborted);
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_comes_nearer_too_slowly_does_not_follow() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    link.acknowledge_before(&pairing, 0);
    for tag in 0..100 {
        link.note(|| Change::Tag(tag));
    }
    let creeps = async {
        for position in 1.. {
            tokio::time::sleep(Duration::from_secs(5)).await;
            link.acknowledge_before(&pairing, position);
        }
    };
    let error =
        tokio::select! { asked = link.attached() => asked.unwrap_err(), () = creeps => unreachable!() };
    assert!(error.code() == Code::Aborted && error.message().contains("too slow"), "{error}");
}
