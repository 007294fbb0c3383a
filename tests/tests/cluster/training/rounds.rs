//! Training in rounds gives the same bytes whatever the number of executors and whoever dies.

use howdah_proto::{
    event::Event,
    settings::{Compression, Encoding, Mode, Optimizer, TrainSettings, UpdateRule, Updates},
};
use howdah_tests::{
    cluster::Cluster,
    job::Job,
    log,
    model::weights,
    pictures::Pictures,
    process::{Process, Signal},
    settings::{counting, learning, snapshots},
};

/// So many that a job goes on when all have been killed that are to be.
const EPOCHS: u32 = 10;

fn synchronous(settings: TrainSettings) -> TrainSettings {
    TrainSettings {
        updates: Updates::Gradients,
        rule: UpdateRule::Adam { learning_rate: 1e-3 },
        mode: Mode::Synchronous { backups: 0 },
        epochs: EPOCHS,
        ..settings
    }
}

fn local(settings: TrainSettings) -> TrainSettings {
    TrainSettings {
        updates: Updates::Deltas { optimizer: Optimizer::Adam { learning_rate: 1e-3 } },
        rule: UpdateRule::Nesterov { learning_rate: 0.7, momentum: 0.9 },
        mode: Mode::Local { steps: 3 },
        epochs: EPOCHS,
        ..settings
    }
}

/// Those that were killed are missed before the job ends.
fn assert_lost(job: &Job, what: impl Fn(&Event) -> bool) {
    assert!(job.heard.iter().any(what), "{:#?}", job.heard);
}

fn is_member_lost(event: &Event) -> bool {
    matches!(event, Event::MemberLost { .. })
}

fn is_shard_lost(event: &Event) -> bool {
    matches!(event, Event::ShardLost { .. })
}

fn executors(cluster: &Cluster, count: usize) -> Vec<Process> {
    (0..count).map(|number| cluster.executor(&format!("executor-{number}"))).collect()
}

fn undisturbed(settings: &TrainSettings) -> Vec<u8> {
    let cluster = Cluster::start();
    let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let _executors = executors(&cluster, 2);
    weights(&cluster, &mut cluster.submit(settings))
}

/// The weights when an executor and a server die together, twice.
fn disturbed(settings: &TrainSettings) -> Vec<u8> {
    let cluster = Cluster::start();
    let mut servers: Vec<Process> =
        ["first", "second", "third", "fourth"].iter().map(|name| cluster.paramserver(name)).collect();
    let mut executors = executors(&cluster, 3);
    let mut job = cluster.submit(settings);
    for _ in 0..2 {
        job.wait_for_epoch();
        servers.remove(0).send(Signal::KILL);
        executors.pop().unwrap().send(Signal::KILL);
    }
    let weights = weights(&cluster, &mut job);
    assert_lost(&job, is_member_lost);
    weights
}

#[test]
fn one_two_and_four_executors_give_the_same_bytes_and_so_do_kills() {
    let pictures = Pictures::draw(100);
    for settings in [synchronous(learning(&pictures.data)), local(learning(&pictures.data))] {
        let alone = {
            let cluster = Cluster::start();
            let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
            let _executors = executors(&cluster, 1);
            weights(&cluster, &mut cluster.submit(&settings))
        };
        for count in [2, 4] {
            let cluster = Cluster::start();
            let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
            let _executors = executors(&cluster, count);
            assert!(weights(&cluster, &mut cluster.submit(&settings)) == alone, "{count} executors differ");
        }
        let cluster = Cluster::start();
        let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
        let mut victims = executors(&cluster, 3);
        let mut job = cluster.submit(&settings);
        job.wait_for_epoch();
        victims.pop().unwrap().send(Signal::KILL);
        job.wait_for_epoch();
        victims.pop().unwrap().send(Signal::KILL);
        assert!(weights(&cluster, &mut job) == alone, "killed executors make a difference");
        assert_lost(&job, is_member_lost);
    }
}

#[test]
fn servers_that_are_killed_make_no_difference_to_rounds() {
    let pictures = Pictures::draw(100);
    let saved = tempfile::tempdir().unwrap();
    let settings = synchronous(learning(&pictures.data));
    let undisturbed = undisturbed(&settings);
    let from_the_start = settings.clone();
    let with_snapshots = snapshots(settings.clone(), saved.path());
    let with_standbys = TrainSettings { shard_copies: 2, ..settings };
    for settings in [from_the_start, with_snapshots, with_standbys] {
        let cluster = Cluster::start();
        let victim = cluster.paramserver("left");
        let _others = [cluster.paramserver("middle"), cluster.paramserver("right")];
        let _executors = executors(&cluster, 2);
        // One on each server.
        let settings = TrainSettings { shards: Some(3), ..settings };
        let mut job = cluster.submit(&settings);
        job.wait_for_epoch();
        victim.send(Signal::KILL);
        assert!(weights(&cluster, &mut job) == undisturbed, "{settings:?}");
        assert_lost(&job, is_shard_lost);
    }
}

#[test]
fn an_executor_and_a_server_that_die_together_make_no_difference_to_rounds() {
    let pictures = Pictures::draw(100);
    let saved = tempfile::tempdir().unwrap();
    let settings = TrainSettings { shards: Some(2), ..synchronous(learning(&pictures.data)) };
    let undisturbed = undisturbed(&settings);
    let with_snapshots = snapshots(settings.clone(), saved.path());
    let with_standbys = TrainSettings { shard_copies: 2, ..settings };
    for settings in [with_snapshots, with_standbys] {
        assert!(disturbed(&settings) == undisturbed, "{settings:?}");
    }
}

#[test]
fn what_encodings_lose_is_the_same_whoever_dies() {
    let pictures = Pictures::draw(100);
    let saved = tempfile::tempdir().unwrap();
    for (push, pull) in [(Encoding::Int8, Encoding::Bf16), (Encoding::Bf16, Encoding::Int8)] {
        let compression = Compression { push, pull, delta_pulls: true };
        let settings =
            TrainSettings { compression, shards: Some(2), ..synchronous(learning(&pictures.data)) };
        let undisturbed = undisturbed(&settings);
        let settings = match push {
            Encoding::Int8 => snapshots(settings, saved.path()),
            _ => TrainSettings { shard_copies: 2, ..settings },
        };
        assert!(disturbed(&settings) == undisturbed, "{settings:?}");
    }
}

#[test]
fn counting_in_rounds_counts_every_batch_once() {
    let pictures = Pictures::draw(60);
    let cluster = Cluster::start();
    let _server = cluster.paramserver("server");
    let mut two = executors(&cluster, 2);
    let settings =
        TrainSettings { mode: Mode::Synchronous { backups: 0 }, ..counting(&pictures.data, EPOCHS) };
    let mut job = cluster.submit(&settings);
    job.wait_for_epoch();
    two.remove(0).send(Signal::KILL);
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!(report.executors_lost, 1);
}
