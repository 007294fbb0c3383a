use super::*;

#[test]
fn a_snapshot_that_no_cut_can_be_made_for_is_taken_when_the_epoch_is_over() {
    let begun = || {
        let mut job = training(TrainSettings { snapshots: snapshots(60), ..settings(2) }, 0);
        job.done(TRAIN_1, 0, &trained(10, 10));
        let due = job.on_tick(&cluster(), job.deadline().unwrap());
        let [JobCommand::Snapshot(request)] = &due[..] else { panic!("{due:?}") };
        let running = TrainTask { epoch: Epoch(1), partition: Partition(1) };
        assert_eq!(request.running.iter().collect::<Vec<_>>(), [&running], "the other task is done");
        (job, request.manifest.snapshot)
    };
    let failed =
        |fault: SnapshotFault| [JobCommand::Emit(Event::SnapshotFailed { reason: fault.to_string() })];

    let (mut job, id) = begun();
    let passing = SnapshotFault::Passing("no space is left".to_owned());
    assert_eq!(job.on_snapshot_taken(id, Err(passing.clone()), Millis(70_000)), failed(passing));
    assert_eq!(job.deadline(), Some(Millis(130_000)));

    let (mut job, id) = begun();
    let lacking = SnapshotFault::Lacking(Lacking { shard: 0, epoch: Epoch(1) });
    assert_eq!(job.on_snapshot_taken(id, Err(lacking.clone()), Millis(70_000)), failed(lacking.clone()));
    assert_eq!(job.deadline(), None);
    let done = job.do_stage(TRAIN_1, &[1], &trained(10, 10), Millis(80_000));
    let manifest = snapshot(&job.close(&done, 1, Millis(80_000))).unwrap();
    job.on_snapshot_taken(manifest.snapshot, Err(lacking), Millis(80_000));
    assert_eq!(job.deadline(), Some(Millis(140_000)), "the next epoch has begun");
}

#[test]
fn snapshots_take_a_fifth_of_the_time_at_most_however_often_they_are_wanted() {
    let mut job = training(TrainSettings { snapshots: snapshots(0), ..settings(3) }, 0);
    let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
    let manifest = snapshot(&job.close(&done, 1, Millis(3_000))).unwrap();
    assert_eq!(kinds(&job.on_snapshot_planned(manifest.snapshot, Millis(3_000))), [(TRAIN_2, 2)]);
    job.on_snapshot_taken(manifest.snapshot, Ok(manifest), Millis(5_000));
    assert_eq!(job.deadline(), Some(Millis(13_000)), "it took two seconds");

    let done = job.do_stage(TRAIN_2, &[0, 1], &trained(10, 10), Millis(6_000));
    let goes_on = job.close(&done, 2, Millis(6_000));
    assert_eq!((kinds(&goes_on), snapshot(&goes_on)), (vec![(TRAIN_3, 2)], None));
    let done = job.do_stage(TRAIN_3, &[0, 1], &trained(10, 10), Millis(7_000));
    assert!(snapshot(&job.close(&done, 3, Millis(7_000))).is_some(), "the last one is always taken");
}

#[test]
fn a_snapshot_that_failed_is_followed_by_a_rest_and_its_files_are_dropped_with_the_next() {
    let mut job = training(TrainSettings { snapshots: snapshots(0), ..settings(3) }, 0);
    let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
    let first = snapshot(&job.close(&done, 1, Millis(3_000))).unwrap().snapshot;
    job.on_snapshot_planned(first, Millis(3_000));
    let full = SnapshotFault::Passing("no space is left".to_owned());
    job.on_snapshot_taken(first, Err(full), Millis(5_000));
    assert_eq!(job.deadline(), Some(Millis(13_000)), "it took two seconds");

    let next = |job: &mut TrainJob, now| {
        let commands = job.on_tick(&cluster(), now);
        let request = commands.into_iter().find_map(|command| match command {
            JobCommand::Snapshot(request) => Some(request),
            _ => None,
        });
        let request = request.unwrap();
        (request.manifest, request.failed)
    };
    let (second, failed) = next(&mut job, Millis(13_000));
    assert_eq!(failed, BTreeSet::from([first]));
    let foreign = SnapshotFault::NotBegun("another run takes snapshots there".to_owned());
    job.on_snapshot_taken(second.snapshot, Err(foreign), Millis(13_000));
    let (third, failed) = next(&mut job, Millis(14_000));
    assert_eq!(failed, BTreeSet::from([first]), "what is there is another run's");
    job.on_snapshot_taken(third.snapshot, Ok(third), Millis(14_000));
    assert_eq!(next(&mut job, Millis(15_000)).1, BTreeSet::new());
}

#[test]
fn the_next_epoch_is_in_no_snapshot_that_was_begun_before_it() {
    let begun = || {
        let mut job = training(TrainSettings { snapshots: snapshots(60), ..settings(2) }, 0);
        let manifest = snapshot(&job.on_tick(&cluster(), job.deadline().unwrap())).unwrap();
        assert_eq!(manifest.epoch, Epoch(1));
        let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(70_000));
        (job, done, manifest)
    };
    let next = [(TRAIN_2, 2)];

    let (mut job, done, manifest) = begun();
    assert_eq!(kinds(&job.on_snapshot_planned(manifest.snapshot, Millis(70_000))), []);
    assert_eq!(kinds(&job.close(&done, 1, Millis(71_000))), next, "it was planned before");

    let (mut job, done, manifest) = begun();
    assert_eq!(kinds(&job.close(&done, 1, Millis(71_000))), []);
    assert_eq!(kinds(&job.on_snapshot_planned(manifest.snapshot, Millis(72_000))), next);
    assert_eq!(kinds(&job.on_snapshot_planned(manifest.snapshot, Millis(72_000))), []);
    assert_eq!(kinds(&job.on_snapshot_taken(manifest.snapshot, Ok(manifest), Millis(73_000))), []);

    let (mut job, done, manifest) = begun();
    assert_eq!(kinds(&job.close(&done, 1, Millis(71_000))), []);
    let full = SnapshotFault::Passing("no space is left".to_owned());
    assert_eq!(kinds(&job.on_snapshot_taken(manifest.snapshot, Err(full), Millis(73_000))), next);
}
