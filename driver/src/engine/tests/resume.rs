//! Jobs that go on from the snapshot of one that was killed, and jobs whose parameters are spread anew.

use howdah_proto::{
    JobId,
    event::{Event, Move},
    settings::{Mode, SnapshotSettings, TrainSettings},
};
use rand::Rng;

use super::{
    cluster::Cluster,
    shards::{ROUNDS, STREAM, cluster, job, run_with_kills},
};
use crate::engine::IoRequest;

const SEEDS: u64 = 60;

/// Kills the whole cluster at some moment; gives what is left on disk, if there is a whole snapshot.
fn killed(seed: u64, mode: Mode) -> Option<Cluster> {
    let mut cluster = cluster(seed);
    cluster.submit(job(mode, 1, true));
    for _ in 0..cluster.random.random_range(40..140) {
        cluster.step();
    }
    (!cluster.servers.manifests.is_empty()).then_some(cluster)
}

#[test]
fn a_resumed_job_counts_every_step_once_whenever_it_was_killed() {
    for mode in [STREAM, ROUNDS] {
        let mut resumed = 0;
        for (seed, old) in (0..SEEDS).filter_map(|seed| Some((seed, killed(seed, mode)?))) {
            let mut cluster = cluster(seed + 1_000);
            cluster.pictures = old.pictures;
            cluster.servers.take_disk(old.servers);
            let before = job(mode, 1, true);
            let location = before.snapshots.as_ref().map(|snapshots| snapshots.location.clone());
            let id = cluster.submit(TrainSettings { resume: location, epochs: 4, shards: Some(2), ..before });
            run_with_kills(&mut cluster, 3);
            cluster.check_finished(id);
            let Event::JobFinished(report) = cluster.last_event(id) else { continue };
            let epochs: Vec<u32> = report.epochs.iter().map(|epoch| epoch.epoch.0).collect();
            assert_eq!(epochs, [1, 2, 3, 4], "seed {seed}");
            resumed += 1;
        }
        assert!(resumed > SEEDS / 2, "{resumed}");
    }
}

#[test]
fn a_job_goes_on_from_its_own_place_if_there_is_a_snapshot_and_else_begins() {
    let whole = (0..SEEDS).find_map(|seed| killed(seed, STREAM));
    for (old, goes_on) in [(whole, true), (None, false)] {
        let mut cluster = cluster(1);
        if let Some(old) = old {
            cluster.pictures = old.pictures;
            cluster.servers.take_disk(old.servers);
        }
        let before = job(STREAM, 1, true);
        let snapshots = before.snapshots.clone().map(|place| SnapshotSettings { goes_on: true, ..place });
        let id = cluster.submit(TrainSettings { snapshots, epochs: 4, ..before });
        run_with_kills(&mut cluster, 3);
        cluster.check_finished(id);
        let from = cluster.jobs[&id].events.iter().find_map(|event| match event {
            Event::Resumed { location, .. } => Some(location.as_str()),
            _ => None,
        });
        assert_eq!(from, goes_on.then_some("/runs/a/snapshots"));
    }
}

#[test]
fn a_job_with_other_pictures_or_settings_is_not_resumed() {
    let old = (0..SEEDS).find_map(|seed| killed(seed, STREAM)).unwrap();
    let pictures = old.pictures;
    let mut cluster = cluster(1);
    cluster.servers.take_disk(old.servers);
    let before = job(STREAM, 1, true);
    let resume = before.snapshots.as_ref().map(|snapshots| snapshots.location.clone());
    let mut ends_with = |settings: TrainSettings, pictures: (usize, usize)| {
        cluster.pictures = pictures;
        let id = cluster.submit(settings);
        cluster.run();
        let Event::JobFailed { error, hint, .. } = cluster.last_event(id) else { panic!("it is resumed") };
        (error.clone(), hint.clone().unwrap_or_default())
    };
    let same = TrainSettings { resume, ..before };
    let (error, hint) = ends_with(TrainSettings { seed: 99, ..same.clone() }, pictures);
    assert_eq!(error, "can't resume: the snapshot was taken with another seed (1, and now 99)");
    assert_eq!(hint, "the settings must be those of the run");
    let (error, _) = ends_with(same, (pictures.0 + 1, pictures.1));
    assert!(error.contains("the pictures are not those"), "{error}");
}

#[test]
fn a_new_job_leaves_the_snapshots_of_another_alone() {
    let old = (0..SEEDS).find_map(|seed| killed(seed, STREAM)).unwrap();
    let mut cluster = cluster(1);
    cluster.servers.take_disk(old.servers);
    let left = cluster.servers.manifests.clone();
    let same = job(STREAM, 1, true);
    let id = cluster.submit(same.clone());
    while cluster.step() {}
    let Event::JobFailed { error, hint, by_place } = cluster.last_event(id) else { panic!("it begins") };
    assert!(by_place);
    assert_eq!(error, "there are snapshots already in /runs/a/snapshots");
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("--resume /runs/a/snapshots")), "{hint:?}");
    assert_eq!(cluster.servers.manifests, left);

    let elsewhere = same.snapshots.clone().map(|settings| {
        let location = "/runs/b/snapshots".to_owned();
        SnapshotSettings { location, ..settings }
    });
    let id = cluster.submit(TrainSettings { snapshots: elsewhere, ..same });
    run_with_kills(&mut cluster, 0);
    cluster.check_finished(id);
}

#[test]
fn a_job_is_refused_where_another_takes_its_snapshots_and_not_when_that_is_over() {
    let mut cluster = cluster(1);
    let place = "/runs/a/snapshots";
    let first = cluster.submit(job(STREAM, 1, true));
    for (location, resume) in [(place, None), ("file:///runs/a/snapshots", None), (place, Some(place))] {
        let snapshots =
            Some(SnapshotSettings { location: location.to_owned(), every_seconds: 1, goes_on: false });
        let resume = resume.map(str::to_owned);
        let second = cluster.submit(TrainSettings { snapshots, resume, ..job(STREAM, 1, true) });
        let Event::JobFailed { error, by_place: true, .. } = cluster.last_event(second) else {
            panic!("{:?}", cluster.last_event(second))
        };
        assert_eq!(*error, format!("job {first} (a job) takes its snapshots in {location}"));
    }
    run_with_kills(&mut cluster, 2);
    assert!(matches!(cluster.last_event(first), Event::JobFinished(_)), "{:?}", cluster.last_event(first));

    let resume = Some(place.to_owned());
    let on = cluster.submit(TrainSettings { resume, epochs: 4, ..job(STREAM, 1, true) });
    run_with_kills(&mut cluster, 0);
    cluster.check_finished(on);
}

#[test]
fn a_job_looks_at_a_place_when_the_last_snapshot_of_an_ended_one_is_done_there() {
    let takes = |(_, request): &(JobId, IoRequest)| matches!(request, IoRequest::Snapshot(_));
    let looks = |(_, request): &(JobId, IoRequest)| {
        matches!(request, IoRequest::FindSnapshots { .. } | IoRequest::ReadSnapshot { .. })
    };
    let (mut waited, mut resumed, mut begun) = (0, 0, 0);
    for (seed, mode) in (0..SEEDS).flat_map(|seed| [(seed, STREAM), (seed, ROUNDS)]) {
        let mut cluster = cluster(seed);
        let old = job(mode, 1, true);
        let ended = cluster.submit(old.clone());
        let into = cluster.random.random_range(0..4);
        for turn in 0..into {
            // Some snapshots are not planned yet, some are written, and some are forgotten by a job that goes back.
            while !cluster.pending.iter().any(takes) && cluster.step() {}
            if turn == 1 {
                cluster.kill_server(1, true);
                cluster.server(1);
            }
            cluster.step();
        }
        while !cluster.pending.iter().any(takes) && cluster.step() {}
        cluster.cancel(ended);
        let snapshots = old.snapshots.clone().map(|place| SnapshotSettings { goes_on: true, ..place });
        let next = cluster.submit(TrainSettings { snapshots, epochs: 4, ..old });
        while cluster.pending.iter().any(takes) {
            assert!(!cluster.pending.iter().any(looks), "seed {seed}");
            cluster.step();
        }
        run_with_kills(&mut cluster, 1);
        cluster.check_finished(next);
        let seen = |wanted: fn(&Event) -> bool| cluster.jobs[&next].events.iter().any(wanted);
        waited += u32::from(seen(|event| match event {
            Event::Waiting { reason } => reason.contains("is still writing a snapshot in /runs/a/snapshots"),
            _ => false,
        }));
        let goes_on = seen(|event| matches!(event, Event::Resumed { .. }));
        assert_eq!(goes_on, cluster.servers.manifests.iter().any(|manifest| manifest.job == ended));
        (resumed, begun) = (resumed + u32::from(goes_on), begun + u32::from(!goes_on));
    }
    assert!(waited > 0 && resumed > 0 && begun > 0, "{waited} {resumed} {begun}");
}

#[test]
fn a_job_that_is_cancelled_while_it_waits_for_a_place_leaves_nothing() {
    let mut cluster = cluster(1);
    let first = cluster.submit(job(STREAM, 1, true));
    let takes = |(_, request): &(JobId, IoRequest)| matches!(request, IoRequest::Snapshot(_));
    while !cluster.pending.iter().any(takes) {
        assert!(cluster.step());
    }
    cluster.cancel(first);
    let second = cluster.submit(job(STREAM, 1, true));
    assert!(matches!(cluster.last_event(second), Event::Waiting { .. }), "{:?}", cluster.last_event(second));
    cluster.cancel(second);
    cluster.run();
    cluster.check_clean();
}

#[test]
fn parameters_are_spread_anew_while_a_job_trains_and_every_step_counts_once() {
    for mode in [STREAM, ROUNDS] {
        let (mut spread, mut replaced) = (0, 0);
        for seed in 0..SEEDS {
            let mut cluster = cluster(seed);
            let id = cluster.submit(job(mode, 1, true));
            let count = cluster.random.random_range(1..7);
            let taken = (0..200).any(|_| cluster.step() && cluster.reshard(id, count));
            run_with_kills(&mut cluster, 2);
            cluster.check_finished(id);
            let Event::JobFinished(report) = cluster.last_event(id) else { continue };
            let moved = |event: &Event| matches!(event, Event::ShardMoved { how: Move::Resharded, .. });
            if cluster.jobs[&id].events.iter().any(moved) {
                assert!(taken);
                assert_eq!(report.shards.len(), count as usize, "seed {seed}");
                spread += 1;
                replaced += cluster.servers.replaced;
            }
        }
        assert!(spread > SEEDS / 4 && replaced > 0, "{spread}, {replaced}");
    }
}

#[test]
fn a_job_without_snapshots_cannot_be_spread_anew() {
    let mut cluster = cluster(1);
    let id = cluster.submit(job(STREAM, 1, false));
    let refused = cluster.engine.on_reshard(JobId(99), 2, cluster.now).unwrap_err();
    assert_eq!(refused, "there is no job 99 that runs");
    assert!(cluster.engine.on_reshard(id, 2, cluster.now).unwrap_err().contains("does not train now"));
    let trains = |error: String| error.contains("takes no snapshots");
    assert!((0..200).any(|_| {
        cluster.step();
        cluster.engine.on_reshard(id, 2, cluster.now).is_err_and(trains)
    }));
}
