use super::*;

#[test]
fn an_epoch_whose_evaluation_is_late_is_still_reported_before_the_next() {
    let mut job = training(settings(2), 20);
    let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
    job.close(&done, 1, Millis(3_000));
    let done = job.do_stage(TRAIN_2, &[0, 1], &trained(10, 10), Millis(4_000));
    job.close(&done, 2, Millis(4_000));
    job.done(EVALUATE_1, 2, &evaluated(10));
    let early = job.do_stage(EVALUATE_2, &[2, 3], &evaluated(10), Millis(5_000));
    assert_eq!(early, [], "epoch 1 is still being evaluated");
    let wrong = evaluation(&summary([[0, 5], [5, 0]], 0.25));
    let late = job.do_stage(EVALUATE_1, &[3], &wrong, Millis(6_000));
    assert_eq!(finished_epochs(&late), [1, 2]);
    assert!(matches!(late.last(), Some(JobCommand::Ask(_, COLLECT_2))), "{late:?}");
    let last = job.answer(&late, Answer::Collected(collected(1, 4)), Millis(7_000));
    let Some(Ending::Finished(report)) = ending(&last) else { panic!("{last:?}") };
    assert_eq!(report.test.as_ref().unwrap().confusion, [[10, 0], [0, 10]], "that of the last epoch");
}

#[test]
fn an_evaluation_of_weights_that_are_lost_in_part_is_given_up() {
    let mut job = training(settings(2), 20);
    let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
    job.close(&done, 1, Millis(3_000));
    job.done(EVALUATE_1, 2, &evaluated(10));
    let other = vec![(MemberId(10), "http://other:1".to_owned())];
    let next = ClusterView { paramservers: other, ..cluster() };
    let commands = job.on_members_changed(&next, Millis(4_000));
    let op = commands.iter().find_map(|command| match command {
        JobCommand::MakeShards(make) => Some(make.shards[0].0),
        _ => None,
    });
    let moved = job.on_shard_done(ShardIndex(0), op.unwrap(), Ok(()), Millis(4_000));
    assert!(moved.contains(&JobCommand::DropStage(EVALUATE_1)), "{moved:?}");
    assert_eq!(reported(&moved), [(Epoch(1), None)]);
}

/// The epochs that are reported, with their accuracy on held-out pictures.
fn reported(commands: &[JobCommand]) -> Vec<(Epoch, Option<f64>)> {
    let report = |command: &JobCommand| match command {
        JobCommand::Emit(Event::EpochFinished(report)) => Some((report.epoch, report.test_accuracy)),
        _ => None,
    };
    commands.iter().filter_map(report).collect()
}

#[test]
fn an_evaluation_of_weights_that_are_spread_anew_is_given_up() {
    let mut job = training(TrainSettings { snapshots: snapshots(60), ..settings(2) }, 20);
    let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
    let tagged = job.close(&done, 1, Millis(3_000));
    assert_eq!(kinds(&tagged), [(EVALUATE_1, 2)]);
    let manifest = snapshot(&tagged).unwrap();
    assert_eq!(kinds(&job.on_snapshot_planned(manifest.snapshot, Millis(3_000))), [(TRAIN_2, 2)]);
    assert_eq!(job.on_reshard(2, Millis(3_000)), Ok(vec![]), "the snapshot isn't durable");
    let spread = job.on_snapshot_taken(manifest.snapshot, Ok(manifest), Millis(4_000));
    let made = spread.iter().find_map(|command| match command {
        JobCommand::MakeShards(make) => Some(make.shards.clone()),
        _ => None,
    });
    let moved: Vec<JobCommand> = made
        .unwrap()
        .into_iter()
        .flat_map(|(op, place)| job.on_shard_done(ShardIndex(place.shard), op, Ok(()), Millis(4_000)))
        .collect();
    assert!(moved.contains(&JobCommand::DropStage(EVALUATE_1)), "{moved:?}");
    assert_eq!(reported(&moved), [(Epoch(1), None)]);
}
