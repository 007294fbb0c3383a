//! Whatever parameter server is killed, put to sleep or told to leave, every batch counts exactly once on every shard.

use howdah_proto::{
    event::{Event, Move, StageKind},
    settings::TrainSettings,
};
use howdah_tests::{
    cluster::Cluster,
    job::moved,
    log,
    pictures::Pictures,
    process::{Process, Signal},
    settings::{counting, snapshots},
};

fn with_standbys(settings: TrainSettings) -> TrainSettings {
    TrainSettings { shard_copies: 2, ..settings }
}

#[test]
fn a_shard_that_is_killed_is_computed_again_from_the_initial_weights() {
    let pictures = Pictures::draw(120);
    let cluster = Cluster::start();
    let victim = cluster.paramserver("left");
    let _right = cluster.paramserver("right");
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&counting(&pictures.data, 40));
    job.wait_for_trained(6);
    victim.send(Signal::KILL);
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!((report.shards.len(), report.shards_lost), (2, 1));
}

#[test]
fn a_shard_that_is_killed_comes_back_from_its_snapshot_on_the_server_that_takes_its_place() {
    let pictures = Pictures::draw(120);
    let saved = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let victim = cluster.paramserver("only");
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&snapshots(counting(&pictures.data, 40), saved.path()));
    job.wait_for("a snapshot", |event| matches!(event, Event::SnapshotTaken { .. }).then_some(()));
    victim.send(Signal::KILL);
    let _successor = cluster.paramserver("successor");
    let how = job.wait_for("the shard elsewhere", moved);
    assert_eq!(how, Move::Restored);
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
}

#[test]
fn standbys_take_over_and_nothing_is_computed_again() {
    for after in [0, 3, 9] {
        let pictures = Pictures::draw(120);
        let cluster = Cluster::start();
        let victim = cluster.paramserver("left");
        let _others = [cluster.paramserver("middle"), cluster.paramserver("right")];
        let _executors = [cluster.executor("one"), cluster.executor("two")];
        let mut job = cluster.submit(&with_standbys(counting(&pictures.data, 40)));
        job.wait_for_standbys(3);
        job.wait_for_trained(after);
        victim.send(Signal::KILL);
        let how = job.wait_for("the shard elsewhere", moved);
        assert_eq!(how, Move::Promoted);
        let report = job.wait_for_report();
        log::assert_counted_exactly_once(&report);
        let mut epochs = Vec::new();
        epochs.extend(job.heard.iter().filter_map(|event| match event {
            Event::StageStarted { kind: StageKind::Train { epoch }, .. } => Some(*epoch),
            _ => None,
        }));
        assert!(epochs.is_sorted_by(|one, next| one < next), "{epochs:?}");
    }
}

#[test]
fn a_server_that_is_told_to_leave_has_its_shards_taken_over_first() {
    let pictures = Pictures::draw(120);
    // A server says with a beat that it wants to leave.
    let cluster = Cluster::with(&["--heartbeat-interval", "0.2"]);
    let leaves = cluster.paramserver("left");
    let _stays = cluster.paramserver("right");
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&counting(&pictures.data, 150));
    job.wait_for_trained(2);
    leaves.send(Signal::TERM);
    assert_eq!(job.wait_for("the shard elsewhere", moved), Move::Promoted);
    leaves.wait().success();
    log::assert_counted_exactly_once(&job.wait_for_report());
    assert!(!job.heard.iter().any(|event| matches!(event, Event::ShardLost { .. })));
}

#[test]
fn servers_and_executors_that_are_killed_in_turn_lose_no_batch_and_double_none() {
    let pictures = Pictures::draw(160);
    let cluster = Cluster::start();
    let mut servers: Vec<Process> =
        ["first", "second", "third"].iter().map(|name| cluster.paramserver(name)).collect();
    let mut executors: Vec<Process> = ["one", "two"].iter().map(|name| cluster.executor(name)).collect();
    let mut job = cluster.submit(&with_standbys(counting(&pictures.data, 60)));
    for turn in 0..3 {
        job.wait_for_trained(2);
        servers.remove(0).send(Signal::KILL);
        servers.push(cluster.paramserver(&format!("server {turn}")));
        job.wait_for_trained(1);
        executors.remove(0).send(Signal::KILL);
        executors.push(cluster.executor(&format!("executor {turn}")));
    }
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert!(report.shards_lost >= 1 && report.executors_lost >= 1, "{report:?}");
}

#[test]
fn a_server_that_wakes_up_after_its_standby_took_over_changes_nothing() {
    sleeps_while(with_standbys);
}

#[test]
fn a_server_that_wakes_up_after_its_shard_was_restored_elsewhere_changes_nothing() {
    sleeps_while(|settings| settings);
}

fn sleeps_while(change: impl Fn(TrainSettings) -> TrainSettings) {
    let pictures = Pictures::draw(160);
    let cluster = Cluster::impatient();
    let mut sleeper = cluster.paramserver("sleeper");
    let _others = [cluster.paramserver("awake"), cluster.paramserver("also awake")];
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&change(counting(&pictures.data, 60)));
    let id = job.member("sleeper");
    job.wait_for_trained(1);
    sleeper.send(Signal::STOP);
    job.wait_for("the loss of the sleeper", |event| {
        matches!(event, Event::MemberLost { member, .. } if *member == id).then_some(())
    });
    sleeper.send(Signal::CONT);
    sleeper.wait_for_line("has joined");
    log::assert_counted_exactly_once(&job.wait_for_report());
}

#[test]
fn a_short_sleep_that_nobody_notices_loses_and_doubles_nothing() {
    let pictures = Pictures::draw(160);
    let cluster = Cluster::start();
    let sleeper = cluster.paramserver("sleeper");
    let _other = cluster.paramserver("awake");
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&with_standbys(counting(&pictures.data, 4)));
    for _ in 0..4 {
        job.wait_for_trained(1);
        sleeper.send(Signal::STOP);
        // Whatever is on its way meets a server that doesn't answer for a moment.
        wait_for_progress_or_nothing(&cluster);
        sleeper.send(Signal::CONT);
    }
    log::assert_counted_exactly_once(&job.wait_for_report());
}

/// Asks the driver something: as much time passes as a turn of the cluster takes.
fn wait_for_progress_or_nothing(cluster: &Cluster) {
    cluster.block_on(async {
        let mut client = howdah_driver::client::Client::connect(cluster.url()).await.unwrap();
        client.members().await.unwrap();
    });
}
