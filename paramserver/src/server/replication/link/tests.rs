use howdah_proto::{JobId, ShardIndex};

use super::*;
use crate::server::terms::is_moved;

fn link() -> Link {
    Link::new(ShardKey { job: JobId(1), shard: ShardIndex(0) })
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_while_a_standby_is_away() {
    let link = link();
    let pairing = link.attach("http://a:1").unwrap();
    let position = link.note(|| Change::Tag(1));
    link.settled(position).await.unwrap();
    link.acknowledge_before(&pairing, 0);
    let error = link.settled(position).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Unavailable);
    assert!(error.message().contains("http://a:1"), "{error}");
    link.acknowledge_before(&pairing, 1);
    link.settled(position).await.unwrap();
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
    assert!(link.attach("http://a:1").is_some());
}
