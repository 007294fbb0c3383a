//! A run that was killed altogether goes on where its last snapshot is, and a job can be spread anew while it trains.

use howdah_driver::client::Client;
use howdah_proto::{
    event::{Event, Move, StageKind},
    settings::{Mode, TrainSettings, UpdateRule, Updates},
};
use howdah_tests::{
    cluster::Cluster,
    job::Job,
    log,
    model::weights,
    pictures::Pictures,
    settings::{counting, learning, snapshots},
};

fn wait_for_snapshots(job: &mut Job, count: usize) {
    let mut taken = 0;
    job.wait_for("snapshots", |event| {
        taken += usize::from(matches!(event, Event::SnapshotTaken { .. }));
        (taken >= count).then_some(())
    });
}

/// Spreads the parameters over so many shards, and waits until they are.
fn reshard(cluster: &Cluster, job: &mut Job, shards: u32) {
    cluster.block_on(async {
        Client::connect(cluster.url()).await.unwrap().reshard(job.id, shards).await.unwrap();
    });
    let mut moved = 0;
    job.wait_for("all shards", |event| {
        moved += u32::from(matches!(event, Event::ShardMoved { how: Move::Resharded, .. }));
        (moved == shards).then_some(())
    });
}

#[test]
fn a_run_of_which_everything_was_killed_goes_on_and_counts_every_batch_once() {
    let pictures = Pictures::draw(120);
    let saved = tempfile::tempdir().unwrap();
    let settings = snapshots(counting(&pictures.data, 60), saved.path());
    {
        let cluster = Cluster::start();
        let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
        let _executors = [cluster.executor("one"), cluster.executor("two")];
        let mut job = cluster.submit(&settings);
        wait_for_snapshots(&mut job, 2);
    }
    let location = settings.snapshots.as_ref().unwrap().location.clone();
    let resumed = TrainSettings { resume: Some(location), ..settings };
    let cluster = Cluster::start();
    // Another number of servers and of executors than before.
    let _servers = [cluster.paramserver("one"), cluster.paramserver("two"), cluster.paramserver("three")];
    let _executor = cluster.executor("alone");
    let mut job = cluster.submit(&resumed);
    let first = job.wait_for("training", |event| match event {
        Event::StageStarted { kind: StageKind::Train { epoch }, .. } => Some(epoch.0),
        _ => None,
    });
    assert!(first > 1, "it begins again at epoch {first}");
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!(report.epochs.len(), 60, "{report:?}");
}

#[test]
fn a_resumed_run_of_rounds_ends_with_the_bytes_of_one_that_was_never_stopped() {
    let pictures = Pictures::draw(100);
    let saved = tempfile::tempdir().unwrap();
    let settings = TrainSettings {
        updates: Updates::Gradients,
        rule: UpdateRule::Momentum { learning_rate: 0.05, momentum: 0.9 },
        mode: Mode::Synchronous { backups: 0 },
        epochs: 4,
        ..learning(&pictures.data)
    };
    let with_snapshots = snapshots(settings.clone(), saved.path());
    {
        let cluster = Cluster::start();
        let _server = cluster.paramserver("server");
        let _executor = cluster.executor("executor");
        let mut job = cluster.submit(&with_snapshots);
        wait_for_snapshots(&mut job, 1);
    }
    let cluster = Cluster::start();
    let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let _executor = cluster.executor("executor");
    let location = with_snapshots.snapshots.as_ref().unwrap().location.clone();
    let resumed = TrainSettings { resume: Some(location), ..with_snapshots };
    let resumed = weights(&cluster, &mut cluster.submit(&resumed));
    let whole = weights(&cluster, &mut cluster.submit(&settings));
    assert!(resumed == whole, "the weights differ");
}

#[test]
fn snapshots_of_other_pictures_are_refused() {
    let (pictures, others) = (Pictures::draw(60), Pictures::draw(80));
    let saved = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let _server = cluster.paramserver("server");
    let _executor = cluster.executor("executor");
    let settings = snapshots(counting(&pictures.data, 2), saved.path());
    cluster.submit(&settings).wait_for_report();
    let location = settings.snapshots.as_ref().unwrap().location.clone();
    let foreign = TrainSettings { resume: Some(location), ..counting(&others.data, 4) };
    let error = cluster.submit(&foreign).wait_for("a failure", |event| match event {
        Event::JobFailed { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert!(error.contains("snapshot"), "{error}");
}

#[test]
fn shards_grow_and_shrink_while_a_job_trains_and_every_batch_counts_once() {
    let pictures = Pictures::draw(160);
    let saved = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&snapshots(counting(&pictures.data, 60), saved.path()));
    for shards in [5, 1] {
        wait_for_snapshots(&mut job, 1);
        reshard(&cluster, &mut job, shards);
    }
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!(report.shards.len(), 1);
}

#[test]
fn the_state_of_an_optimizer_moves_along_when_parameters_are_spread_anew() {
    let pictures = Pictures::draw(100);
    let saved = tempfile::tempdir().unwrap();
    let settings = TrainSettings {
        updates: Updates::Gradients,
        rule: UpdateRule::Adam { learning_rate: 1e-3 },
        mode: Mode::Synchronous { backups: 0 },
        epochs: 30,
        ..learning(&pictures.data)
    };
    let cluster = Cluster::start();
    let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&snapshots(settings.clone(), saved.path()));
    for shards in [3, 1] {
        job.wait_for_epoch();
        reshard(&cluster, &mut job, shards);
    }
    let resharded = weights(&cluster, &mut job);
    let undisturbed = weights(&cluster, &mut cluster.submit(&settings));
    assert!(resharded == undisturbed, "the weights differ");
}
