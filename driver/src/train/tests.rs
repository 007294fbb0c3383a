//! Whole jobs, driven by hand.

mod evaluations;
mod snapshots;

use std::collections::BTreeSet;

use bytes::Bytes;
use howdah_executor::{
    rdd::{Packed, Registry, Views, spec_of},
    vision::{Standardise, register},
};
use howdah_proto::{
    Epoch, JobId, MemberId, NodeId, Partition, ShardIndex, SnapshotId,
    event::{Event, StageKind},
    fence::TrainTask,
    lineage::{Lineage, NodeKind, OperatorSpec},
    pb::{self, attempt_succeeded::Result as TaskResult, task_spec::Work},
    settings::{Fold, MAX_CONTRIBUTIONS, Mode, Pipeline, TrainSettings},
};

use super::{
    Answer, ClusterView, Ending, FitRequest, JobCommand, OpId, Question, ShardFault, SnapshotFault, Ticket,
    TrainJob, fixture::*, operators_to_fit,
};
use crate::{
    scheduler::Millis,
    snapshot::{Lacking, SnapshotError},
};

const FIT_0: StageKind = StageKind::Fit { operator: 0 };
const TRAIN_2: StageKind = StageKind::Train { epoch: Epoch(2) };
const TRAIN_3: StageKind = StageKind::Train { epoch: Epoch(3) };
const COLLECT_2: Question = Question::Collect { tag: 2, counting: false };
const EVALUATE_1: StageKind = StageKind::Evaluate { epoch: Epoch(1) };
const EVALUATE_2: StageKind = StageKind::Evaluate { epoch: Epoch(2) };

fn kinds(commands: &[JobCommand]) -> Vec<(StageKind, usize)> {
    stages(commands).into_iter().map(|(kind, tasks)| (kind, tasks.len())).collect()
}

fn ending(commands: &[JobCommand]) -> Option<&Ending> {
    commands.iter().find_map(|command| match command {
        JobCommand::End(ending) => Some(&**ending),
        _ => None,
    })
}

fn failure(commands: &[JobCommand]) -> &str {
    match ending(commands) {
        Some(Ending::Failed { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

fn finished_epochs(commands: &[JobCommand]) -> Vec<u32> {
    let epoch = |command: &JobCommand| match command {
        JobCommand::Emit(Event::EpochFinished(report)) => Some(report.epoch.0),
        _ => None,
    };
    commands.iter().filter_map(epoch).collect()
}

#[test]
fn a_job_of_two_epochs_goes_from_its_submission_to_its_model() {
    let (mut job, first) = TrainJob::new(JobId(1), settings(2), Millis(0));
    assert_eq!(first, [JobCommand::ListDataset]);
    let listed = job.on_dataset(Ok(dataset(20, 20)), &cluster(), Millis(1_000));
    assert_eq!(kinds(&listed), [(StageKind::Prepare, 4)]);
    let prepared = job.do_stage(StageKind::Prepare, &[0, 1, 2, 3], &computed(10, 0), Millis(3_000));
    let made = prepared.iter().filter(|command| matches!(command, JobCommand::MakeShards(_)));
    assert_eq!((made.count(), kinds(&prepared)), (1, vec![]));
    let made = job.make_shards(Millis(4_000));
    let [JobCommand::Share(shared), JobCommand::Stage { kind: TRAIN_1, .. }] = &made[..] else {
        panic!("{made:?}")
    };
    assert_eq!(shared.train.as_ref().map(|train| (train.classes, train.replicas)), Some((2, 2)));

    let trained_1 = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(6_000));
    assert!(matches!(trained_1[..], [JobCommand::Ask(_, Question::Marks)]), "{trained_1:?}");
    let whole = job.answer(&trained_1, all_marks(1), Millis(6_000));
    assert!(matches!(whole[..], [JobCommand::Ask(_, Question::Tag(1))]), "{whole:?}");
    assert_eq!(kinds(&job.answer(&whole, Answer::Tagged, Millis(6_000))), [(EVALUATE_1, 2), (TRAIN_2, 2)]);
    let evaluated_1 = job.do_stage(EVALUATE_1, &[2, 3], &evaluated(10), Millis(7_000));
    assert!(matches!(evaluated_1[..], [JobCommand::Untag(1), JobCommand::Emit(Event::EpochFinished(_))]));
    let done = job.do_stage(TRAIN_2, &[0, 1], &trained(10, 10), Millis(8_000));
    assert_eq!(kinds(&job.close(&done, 2, Millis(8_000))), [(EVALUATE_2, 2)]);
    let evaluated_2 = job.do_stage(EVALUATE_2, &[2, 3], &evaluated(10), Millis(9_000));
    let [JobCommand::Emit(_), JobCommand::Ask(_, COLLECT_2)] = evaluated_2[..] else {
        panic!("{evaluated_2:?}")
    };
    let last = job.answer(&evaluated_2, Answer::Collected(collected(1, 4)), Millis(10_000));
    let Some(Ending::Finished(report)) = ending(&last) else { panic!("{last:?}") };
    assert_eq!((report.batches, report.parameters, report.epochs.len()), (4, 4 * 3 + 3 + 3 + 1, 2));
    assert_eq!(report.test.as_ref().unwrap().confusion, [[10, 0], [0, 10]]);
    let epoch = &report.epochs[0];
    assert_eq!((epoch.train_accuracy, epoch.test_accuracy, epoch.seconds), (Some(0.5), Some(1.0), 2.0));
    assert_eq!((report.seconds.start, report.seconds.preprocess, report.seconds.total), (1.0, 2.0, 10.0));
}

/// A job whose pipeline has operators that are to be fitted: `prepare` of them to prepare pictures, `feed` to feed them.
fn unfitted(prepare: usize, feed: usize, test: usize) -> TrainJob {
    let spec = |_| spec_of(&Standardise::new(EPSILON, None));
    let pipeline = Pipeline::new((0..prepare).map(spec).collect(), (0..feed).map(spec).collect());
    let settings = settings_with(|settings| settings.pipeline = pipeline);
    let mut registry = Registry::new();
    register(&mut registry);
    let to_fit = operators_to_fit(&registry, &settings.pipeline).unwrap();
    let (mut job, _) = TrainJob::new(JobId(1), settings, Millis(0));
    job.fit_first(to_fit);
    job.on_dataset(Ok(dataset(20, test)), &cluster(), Millis(1_000));
    job
}

fn gathered(records: u64) -> TaskResult {
    TaskResult::Gathered(pb::FitGathered { summary: vec![records as u8].into(), records })
}

/// The operator with parameters.
fn fitted() -> OperatorSpec {
    let values = Packed::new(vec![1.0; FEATURES as usize]);
    let mut operator = Standardise::new(EPSILON, None);
    (operator.mean, operator.variance) = (values.clone(), values);
    spec_of(&operator)
}

/// Gathers for the operator at a place; gives the request for its parameters.
fn gather(job: &mut TrainJob, operator: u32) -> FitRequest {
    let kind = StageKind::Fit { operator };
    for partition in [1, 0] {
        assert_eq!(job.work(kind, Partition(partition)), 10);
        assert_eq!(job.done(kind, partition, &gathered(10)), []);
    }
    match &job.on_stage_finished(kind, Millis(2_000))[..] {
        [JobCommand::Fit(request)] => (**request).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_operator_that_prepares_is_fitted_before_pictures_are_prepared() {
    let mut job = unfitted(2, 0, 20);
    assert_eq!(job.views(Partition(0)), Views::PLAIN);
    for place in [0, 1] {
        let (files, work) = job.task(StageKind::Fit { operator: place }, Partition(1));
        let Work::Fit(work) = work else { panic!("{work:?}") };
        assert_eq!((files.len(), work.operator, work.pictures, work.records), (10, place, 10, 20));
        let request = gather(&mut job, place);
        let summary = Bytes::from_static(&[10]);
        assert_eq!(request.summaries, [(Partition(0), summary.clone()), (Partition(1), summary)]);
        assert_eq!((request.place, request.spec), (place, spec_of(&Standardise::new(EPSILON, None))));
        let next = job.on_fitted(place, Ok(fitted()), Millis(3_000));
        let [
            JobCommand::Emit(Event::OperatorFitted { records: 20, seconds, .. }),
            JobCommand::Share(shared),
            _,
        ] = &next[..]
        else {
            panic!("{next:?}")
        };
        assert!(*seconds >= 0.0 && shared.train.is_none());
        let lineage = Lineage::try_from(shared.lineage.clone().unwrap()).unwrap();
        assert_eq!(
            lineage.get(NodeId(place + 1)).map(|node| &node.kind),
            Some(&NodeKind::Operator(fitted()))
        );
        let expected = if place == 0 { (StageKind::Fit { operator: 1 }, 2) } else { (StageKind::Prepare, 4) };
        assert_eq!(kinds(&next), [expected]);
    }
    assert_eq!(job.pipeline().prepare, [fitted(), fitted()]);
}

#[test]
fn an_operator_that_feeds_is_fitted_to_the_blocks_while_the_shards_are_made() {
    let mut job = unfitted(0, 1, 20);
    let prepared = job.do_stage(StageKind::Prepare, &[0, 1, 2, 3], &computed(10, 0), Millis(2_000));
    assert_eq!(kinds(&prepared), [(FIT_0, 2)]);
    let prefers: Vec<_> = stages(&prepared).iter().flat_map(|(_, tasks)| tasks.clone()).collect();
    assert!(prefers.iter().all(|task| task.prefers == Some(job.block())));
    assert_eq!(kinds(&job.make_shards(Millis(2_500))), []);
    gather(&mut job, 0);
    // What comes twice, or for another operator, changes nothing.
    assert_eq!(job.on_fitted(7, Ok(fitted()), Millis(3_000)), []);
    let trains = job.on_fitted(0, Ok(fitted()), Millis(3_000));
    assert_eq!(kinds(&trains), [(TRAIN_1, 2)]);
    assert_eq!(job.on_fitted(0, Ok(fitted()), Millis(3_000)), []);
    assert_eq!(job.fitted_pipeline().map(|pipeline| pipeline.feed), Some(vec![fitted()]));
}

#[test]
fn an_operator_that_can_not_be_fitted_fails_the_job_by_its_name() {
    let mut job = unfitted(1, 0, 0);
    gather(&mut job, 0);
    let failed = job.on_fitted(0, Err("partition 1: it is too short".to_owned()), Millis(3_000));
    assert_eq!(failure(&failed), "operator `standardise` can't be fitted: partition 1: it is too short");
    assert_eq!(job.on_fitted(0, Ok(fitted()), Millis(3_000)), []);
}

#[test]
fn a_job_without_held_out_pictures_evaluates_nothing() {
    let mut job = training(settings(2), 0);
    let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
    let tagged = job.close(&done, 1, Millis(3_000));
    assert_eq!((finished_epochs(&tagged), kinds(&tagged)), (vec![1], vec![(TRAIN_2, 2)]));
    assert!(tagged.contains(&JobCommand::Untag(1)));
    let done = job.do_stage(TRAIN_2, &[0, 1], &trained(10, 10), Millis(4_000));
    let tagged = job.close(&done, 2, Millis(4_000));
    assert!(matches!(tagged.last(), Some(JobCommand::Ask(_, COLLECT_2))), "{tagged:?}");
    let last = job.answer(&tagged, Answer::Collected(collected(1, 4)), Millis(5_000));
    let Some(Ending::Finished(report)) = ending(&last) else { panic!("{last:?}") };
    assert_eq!((&report.test, &report.validation, report.epochs[1].test_loss), (&None, &None, None));
}

#[test]
fn training_begins_when_the_blocks_are_prepared_and_the_shards_created_in_either_order() {
    let mut job = preparing(settings(1), 0);
    job.done(StageKind::Prepare, 0, &computed(10, 0));
    assert_eq!(job.make_shards(Millis(2_000)), []);
    job.done(StageKind::Prepare, 1, &computed(10, 0));
    assert_eq!(kinds(&job.on_stage_finished(StageKind::Prepare, Millis(3_000))), [(TRAIN_1, 2)]);

    let mut job = preparing(settings(1), 0);
    assert_eq!(kinds(&job.do_stage(StageKind::Prepare, &[0, 1], &computed(10, 0), Millis(2_000))), []);
    assert_eq!(kinds(&job.make_shards(Millis(3_000))), [(TRAIN_1, 2)]);
}

#[test]
fn a_partition_without_usable_pictures_is_left_out_and_the_limit_of_bad_ones_holds() {
    let mut job = preparing(settings(1), 0);
    job.done(StageKind::Prepare, 0, &computed(7, 3));
    let over = job.done(StageKind::Prepare, 1, &computed(9, 1));
    assert_eq!(failure(&over), "more than 3 pictures can't be used; the last is bad0.png: it is torn");

    let mut job = preparing(settings_with(|settings| settings.max_bad_pictures = 100), 0);
    job.done(StageKind::Prepare, 0, &computed(0, 10));
    job.done(StageKind::Prepare, 1, &computed(10, 0));
    job.make_shards(Millis(2_000));
    let ready = job.on_stage_finished(StageKind::Prepare, Millis(2_000));
    let partitions: Vec<Partition> =
        stages(&ready).iter().flat_map(|(_, tasks)| tasks).map(|task| task.partition).collect();
    assert_eq!(partitions, [Partition(1)]);
}

fn settings_with(change: impl FnOnce(&mut TrainSettings)) -> TrainSettings {
    let mut settings = settings(1);
    change(&mut settings);
    settings
}

#[test]
fn with_backups_a_round_goes_on_without_the_slowest() {
    let mut job = preparing(
        settings_with(|settings| {
            settings.mode = Mode::Synchronous { backups: 1 };
            settings.batch = 5;
        }),
        20,
    );
    job.do_stage(StageKind::Prepare, &[0, 1, 2, 3], &computed(10, 0), Millis(0));
    let begun = job.make_shards(Millis(0));
    let round = |commands: &[JobCommand]| {
        commands.iter().find_map(|command| match command {
            JobCommand::Round { tasks, .. } => Some(tasks.len()),
            _ => None,
        })
    };
    assert_eq!(round(&begun), Some(2), "{begun:?}");
    let next = job.done(TRAIN_1, 1, &trained(5, 5));
    assert!(matches!(next[..], [JobCommand::DropStage(TRAIN_1), JobCommand::Round { .. }]), "{next:?}");
    assert_eq!(round(&next), Some(2));
}

#[test]
fn a_run_that_can_not_be_gone_on_with_has_a_hint_where_one_helps() {
    let hint = |error: SnapshotError| {
        let resumed = settings_with(|settings| settings.resume = Some("/runs/a".to_owned()));
        let (mut job, _) = TrainJob::new(JobId(1), resumed, Millis(0));
        match ending(&job.on_snapshot_read(Err(error), Millis(1_000))) {
            Some(Ending::Refused { hint, .. }) => hint.clone(),
            other => panic!("{other:?}"),
        }
    };
    let none = hint(SnapshotError::None("/runs/a".to_owned()));
    assert!(none.is_some_and(|hint| hint.contains("the folder of a run")));
    let (file, reason) = ("s3://bucket/a".to_owned(), "access is denied".to_owned());
    assert_eq!(hint(SnapshotError::Store { file, reason }), None);
}

#[test]
fn folds_of_more_partitions_than_can_be_in_a_round_are_not_prepared() {
    let settings = settings_with(|settings| {
        settings.mode = Mode::Synchronous { backups: 0 };
        settings.selection.fold = Some(Fold { number: 1, of: 100 });
        (settings.partitions, settings.batch) = (Some(MAX_CONTRIBUTIONS), 1);
    });
    assert_eq!(settings.validate(), Ok(()));
    let (mut job, _) = TrainJob::new(JobId(1), settings, Millis(0));
    let cut = job.on_dataset(Ok(dataset(1_200, 0)), &cluster(), Millis(1_000));
    assert_eq!(failure(&cut), "1089 partitions are too many for a round, which has 1024 at most");
    assert_eq!(kinds(&cut), []);
}

#[test]
fn a_job_without_a_usable_training_picture_fails() {
    let mut job = preparing(settings_with(|settings| settings.max_bad_pictures = 100), 20);
    job.done(StageKind::Prepare, 0, &computed(0, 10));
    job.done(StageKind::Prepare, 1, &computed(0, 10));
    let tests = job.do_stage(StageKind::Prepare, &[2, 3], &computed(10, 0), Millis(2_000));
    assert_eq!(failure(&tests), "no training picture can be used");

    let (mut job, _) = TrainJob::new(JobId(1), settings(1), Millis(0));
    assert_eq!(kinds(&job.on_dataset(Ok(dataset(0, 0)), &cluster(), Millis(0))), [(StageKind::Prepare, 0)]);
    let none = job.on_stage_finished(StageKind::Prepare, Millis(0));
    assert_eq!(failure(&none), "no training picture can be used");
}

#[test]
fn shards_that_did_not_apply_every_batch_once_fail_the_job() {
    let end = |collected| {
        let mut job = training(settings(1), 0);
        let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
        let tagged = job.close(&done, 1, Millis(3_000));
        job.answer(&tagged, Answer::Collected(collected), Millis(4_000))
    };
    assert!(matches!(ending(&end(collected(1, 2))), Some(Ending::Finished(_))));
    assert!(failure(&end(collected(1, 3))).contains("shard 0 has applied 3 batches"));
}

#[test]
fn retries_and_lost_executors_are_counted_and_the_first_step_is_told_once() {
    let mut job = training(settings(1), 0);
    assert_eq!(job.on_first_progress(StageKind::Prepare, Millis(2_500)), []);
    let told = job.on_first_progress(TRAIN_1, Millis(2_500));
    assert_eq!(told, [JobCommand::Emit(Event::FirstStep { seconds: 2.5 })]);
    assert_eq!(job.on_first_progress(TRAIN_1, Millis(2_600)), []);
    job.on_retry();
    job.on_retry();
    job.on_executor_lost();
    let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
    let tagged = job.close(&done, 1, Millis(3_000));
    let last = job.answer(&tagged, Answer::Collected(collected(1, 2)), Millis(4_000));
    let Some(Ending::Finished(report)) = ending(&last) else { panic!("{last:?}") };
    assert_eq!((report.task_retries, report.executors_lost, report.seconds.first_step), (2, 1, 2.5));
}

#[test]
fn a_job_that_is_over_wants_nothing_more() {
    let mut job = training(settings(1), 0);
    let cancelled = Ending::Cancelled { reason: "enough".to_owned() };
    assert_eq!(job.on_given_up(cancelled.clone()), [JobCommand::End(Box::new(cancelled.clone()))]);
    assert_eq!(job.on_given_up(cancelled), []);
    assert_eq!(job.on_answer(Ticket(1), Ok(Answer::Tagged), Millis(9_000)), []);
    assert_eq!(
        job.on_shard_done(ShardIndex(0), OpId(1), Err(ShardFault::Passing("gone".to_owned())), Millis(9_000)),
        []
    );
    assert_eq!(job.on_snapshot_planned(SnapshotId(1), Millis(9_000)), []);
    assert_eq!(job.on_members_changed(&cluster(), Millis(9_000)), []);
}
