use howdah_executor::learn::Summary;
use howdah_paramserver::client::ShardMarks;
use howdah_proto::{
    JobId, MemberId, Partition, ShardIndex, Step,
    event::StageKind,
    fence::TrainTask,
    settings::{Mode, TrainSettings},
};

use super::*;
use crate::{
    scheduler::Millis,
    snapshot::{Manifest, Newest, Progress, example, fingerprint},
    train::{Answer, ClusterView, Ending, OpId, PartitionUse, Question, fixture::*},
};

const NOW: Millis = Millis(2_000);

fn reports(losses: &[Option<f64>]) -> Vec<EpochReport> {
    let report = |(epoch, loss): (u32, &Option<f64>)| EpochReport {
        epoch: Epoch(epoch),
        validation_loss: *loss,
        validation_accuracy: loss.map(|loss| loss / 10.0),
        ..EpochReport::default()
    };
    (1..).zip(losses).map(report).collect()
}

#[test]
fn the_best_epoch_is_the_first_with_the_lowest_loss_or_the_highest_accuracy() {
    let reports = reports(&[Some(3.0), Some(1.0), Some(f64::NAN), None, Some(1.0), Some(4.0)]);
    assert_eq!(best(&reports, Epoch(1), Monitor::Loss), Some(Epoch(2)));
    assert_eq!(best(&reports, Epoch(3), Monitor::Loss), Some(Epoch(5)));
    assert_eq!(best(&reports, Epoch(1), Monitor::Accuracy), Some(Epoch(6)));
    assert_eq!(best(&reports, Epoch(7), Monitor::Loss), None);
    assert_eq!(best(&reports[3..4], Epoch(1), Monitor::Loss), None);
}

#[test]
fn training_stops_after_so_many_epochs_without_improvement() {
    let stops = |losses: &[f64], patience| {
        let losses: Vec<_> = losses.iter().copied().map(Some).collect();
        let validation = Validation { fraction: 0.2, monitor: Monitor::Loss, patience };
        stops_after(&reports(&losses), &validation)
    };
    let losses = [3.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.2];
    assert_eq!(stops(&losses, Some(1)), Some(Epoch(3)));
    assert_eq!(stops(&losses, Some(2)), Some(Epoch(4)));
    assert_eq!(stops(&losses, Some(3)), None);
    assert_eq!(stops(&losses, None), None);
}

fn settings_with(epochs: u32, patience: Option<u32>) -> TrainSettings {
    let validation = Validation { fraction: 0.3, monitor: Monitor::Loss, patience };
    TrainSettings { batch: 30, validation: Some(validation), ..settings(epochs) }
}

/// A job that trains its first epoch on two partitions of one step each.
fn job(settings: TrainSettings) -> TrainJob {
    let (mut job, _) = TrainJob::new(JobId(1), settings, Millis(0));
    begin(&mut job);
    job
}

/// Lets the pictures be prepared and the only shard be made.
fn begin(job: &mut TrainJob) -> Vec<JobCommand> {
    job.on_dataset(Ok(dataset(60, 20)), &cluster(), NOW);
    for (partition, pictures) in partitions(job, None) {
        job.done(StageKind::Prepare, partition, &computed(pictures, 0));
    }
    job.on_stage_finished(StageKind::Prepare, NOW);
    job.make_shards(NOW)
}

/// A job that goes on from a snapshot of a run without patience, which was at an epoch and has reported these losses.
fn resumed(patience: u32, losses: &[f64], at: u32) -> (TrainJob, Vec<JobCommand>) {
    let pictures = dataset(60, 20);
    let files: Vec<_> = pictures.train.into_iter().chain(pictures.test).collect();
    let reported: Vec<_> = losses.iter().copied().map(Some).collect();
    let epoch = Epoch(losses.len() as u32);
    let mark = |partition| (TrainTask { epoch, partition: Partition(partition) }, Step(1));
    let manifest = Manifest {
        settings: settings_with(9, None),
        fingerprint: fingerprint(&files),
        epoch: Epoch(at),
        marks: vec![mark(0), mark(1)],
        progress: Progress { finished: reports(&reported), ..Progress::default() },
        ..example()
    };
    let location = "/runs/a/snapshots".to_owned();
    let newest = Newest { folder: location.clone(), last: manifest.snapshot, manifest };
    let settings = TrainSettings { resume: Some(location), ..settings_with(9, Some(patience)) };
    let (mut job, _) = TrainJob::new(JobId(1), settings, Millis(0));
    job.on_snapshot_read(Ok(newest), NOW);
    let begun = begin(&mut job);
    (job, begun)
}

/// The partitions of a use, or all, and how many pictures each has.
fn partitions(job: &TrainJob, wanted: Option<PartitionUse>) -> Vec<(u32, u64)> {
    let cut = job.pictures.cut.as_ref().unwrap();
    let of_use = cut.partitions().filter(|(_, role)| wanted.is_none_or(|wanted| wanted == *role));
    of_use.map(|(partition, _)| (partition.0, cut.files(partition).len() as u64)).collect()
}

/// Trains an epoch and lets its weights be kept.
fn train(job: &mut TrainJob, epoch: u32) -> Vec<JobCommand> {
    let kind = StageKind::Train { epoch: Epoch(epoch) };
    for (partition, pictures) in partitions(job, Some(PartitionUse::Train)) {
        assert_eq!(job.work(kind, Partition(partition)), 1);
        job.done(kind, partition, &trained(pictures, 30));
    }
    let trained = job.on_stage_finished(kind, NOW);
    job.close(&trained, epoch, NOW)
}

/// Evaluates an epoch, with a validation loss in bits; as many of the pictures of each test partition are wrong as there
/// are epochs before it.
fn evaluate(job: &mut TrainJob, epoch: u32, validation_loss: f64) -> Vec<JobCommand> {
    let kind = StageKind::Evaluate { epoch: Epoch(epoch) };
    for (partition, pictures) in partitions(job, Some(PartitionUse::Validation)) {
        let own = (-validation_loss).exp2() as f32;
        let mut validation = Summary::new(2);
        (0..pictures).for_each(|_| validation.add(0, &[own, 1.0 - own]).unwrap());
        job.done(kind, partition, &evaluation(&validation));
    }
    for (partition, pictures) in partitions(job, Some(PartitionUse::Test)) {
        let wrong = u64::from(epoch) - 1;
        job.done(kind, partition, &evaluation(&summary([[pictures - wrong, wrong], [0, 0]], 0.25)));
    }
    job.on_stage_finished(kind, NOW)
}

fn kinds(commands: &[JobCommand]) -> Vec<StageKind> {
    stages(commands).into_iter().map(|(kind, _)| kind).collect()
}

fn untagged(commands: &[JobCommand]) -> Vec<u64> {
    let tag = |command: &JobCommand| match command {
        JobCommand::Untag(tag) => Some(*tag),
        _ => None,
    };
    commands.iter().filter_map(tag).collect()
}

fn collects(commands: &[JobCommand]) -> Option<u64> {
    commands.iter().find_map(|command| match command {
        JobCommand::Ask(_, Question::Collect { tag, .. }) => Some(*tag),
        _ => None,
    })
}

fn train_kind(epoch: u32) -> StageKind {
    StageKind::Train { epoch: Epoch(epoch) }
}

fn evaluate_kind(epoch: u32) -> StageKind {
    StageKind::Evaluate { epoch: Epoch(epoch) }
}

#[test]
fn validation_pictures_are_training_pictures_that_nobody_trains_on() {
    let job = job(settings_with(1, None));
    let sum = |role| partitions(&job, Some(role)).iter().map(|(_, pictures)| pictures).sum::<u64>();
    let (train, validation, test) =
        (sum(PartitionUse::Train), sum(PartitionUse::Validation), sum(PartitionUse::Test));
    assert_eq!((train + validation, test), (60, 20));
    assert!(validation >= 10 && job.train_samples() == train, "{train} {validation}");
    let role = |index: usize| {
        let cut = job.pictures.cut.as_ref().unwrap();
        cut.partitions().find(|(partition, _)| cut.files(*partition).contains(&index)).unwrap().1
    };
    let number =
        |file: &crate::dataset::PictureFile| file.relative.replace(".png", "").parse::<usize>().unwrap();
    for (index, file) in job.pictures.files.iter().enumerate() {
        assert_eq!(role(index) == PartitionUse::Test, number(file) >= 60, "{}", file.relative);
    }
}

#[test]
fn training_stops_when_patience_is_over_and_the_model_is_that_of_the_best_epoch() {
    let mut job = job(settings_with(9, Some(2)));
    assert_eq!(kinds(&train(&mut job, 1)), [evaluate_kind(1)], "epoch 2 waits for the validation");
    assert_eq!(kinds(&evaluate(&mut job, 1, 3.0)), [train_kind(2)]);
    train(&mut job, 2);
    let better = evaluate(&mut job, 2, 2.0);
    assert_eq!((kinds(&better), untagged(&better)), (vec![train_kind(3)], vec![1]));
    train(&mut job, 3);
    let worse = evaluate(&mut job, 3, 2.5);
    assert_eq!((kinds(&worse), untagged(&worse)), (vec![train_kind(4)], vec![3]));
    train(&mut job, 4);
    let stopped = evaluate(&mut job, 4, 2.0);
    assert_eq!((kinds(&stopped), collects(&stopped)), (vec![], Some(2)));
    assert!(!untagged(&stopped).contains(&2));
    let last = job.answer(&stopped, Answer::Collected(collected(1, 2 * 4)), NOW);
    let Some(JobCommand::End(ending)) = last.last() else { panic!("{last:?}") };
    let Ending::Finished(report) = &**ending else { panic!("{ending:?}") };
    assert_eq!((report.best_epoch, report.epochs.len()), (Some(Epoch(2)), 4));
    let (test, validation) = (report.test.as_ref().unwrap(), report.validation.as_ref().unwrap());
    assert_eq!(test.confusion, [[18, 2], [0, 0]], "that of the best epoch");
    assert_eq!(
        (report.epochs[1].test_loss, report.epochs[1].validation_loss),
        (Some(test.loss), Some(validation.loss))
    );
    assert!((validation.loss / 2f64.ln() - 2.0).abs() < 1e-6, "{}", validation.loss);
}

/// The best epoch and how many there are, of a job that asks for the weights of its model after `epochs` of two steps.
fn finish(job: &mut TrainJob, commands: &[JobCommand], epochs: u64) -> (Option<Epoch>, usize) {
    let last = job.answer(commands, Answer::Collected(collected(1, 2 * epochs)), NOW);
    let Some(JobCommand::End(ending)) = last.last() else { panic!("{last:?}") };
    let Ending::Finished(report) = &**ending else { panic!("{ending:?}") };
    (report.best_epoch, report.epochs.len())
}

#[test]
fn a_run_that_goes_on_with_less_patience_ends_with_the_epoch_that_it_is_at() {
    let losses = [1.0, 1.2, 0.9, 0.95, 0.96];
    let (mut job, begun) = resumed(1, &losses, 6);
    assert_eq!(kinds(&begun), [train_kind(6)]);
    assert_eq!(job.model_epoch(), Epoch(6), "also if it is not validated");
    assert_eq!(kinds(&train(&mut job, 6)), [evaluate_kind(6)]);
    let stopped = evaluate(&mut job, 6, 3.0);
    assert_eq!((kinds(&stopped), collects(&stopped)), (vec![], Some(6)));
    assert_eq!(finish(&mut job, &stopped, 6), (Some(Epoch(6)), 6));

    let (mut job, begun) = resumed(1, &losses, 5);
    assert_eq!(kinds(&begun), [], "the epoch is whole and reported");
    let stopped = job.close(&begun, 5, NOW);
    assert_eq!((kinds(&stopped), collects(&stopped)), (vec![], Some(5)));
    assert_eq!(finish(&mut job, &stopped, 5), (Some(Epoch(5)), 5));
}

#[test]
fn without_patience_training_goes_on_beside_the_validation_and_the_best_epoch_is_kept() {
    let mut job = job(settings_with(2, None));
    assert_eq!(kinds(&train(&mut job, 1)), [evaluate_kind(1), train_kind(2)]);
    assert!(untagged(&evaluate(&mut job, 1, 1.0)).is_empty());
    train(&mut job, 2);
    assert_eq!(collects(&evaluate(&mut job, 2, 1.5)), Some(1));
}

/// Loses the only server, and makes its shards anew on another, one after the other.
fn lose_shards(job: &mut TrainJob, other: u64) -> Vec<JobCommand> {
    let server = (MemberId(other), format!("http://ps:{other}"));
    let view = ClusterView { paramservers: vec![server], ..cluster() };
    let mut commands = job.on_members_changed(&view, NOW);
    let made = commands.iter().find_map(|command| match command {
        JobCommand::MakeShards(made) => Some(made.shards.clone()),
        _ => None,
    });
    for (op, place) in made.unwrap() {
        commands.extend(job.on_shard_done(ShardIndex(place.shard), op, Ok(()), NOW));
    }
    commands
}

fn lost(commands: &[JobCommand]) -> Vec<u32> {
    let epoch = |command: &JobCommand| match command {
        JobCommand::Emit(Event::BestEpochLost { epoch }) => Some(epoch.0),
        _ => None,
    };
    commands.iter().filter_map(epoch).collect()
}

#[test]
fn a_best_epoch_that_went_with_a_shard_is_told_and_not_chosen() {
    let mut job = job(settings_with(3, None));
    train(&mut job, 1);
    evaluate(&mut job, 1, 1.0);
    assert_eq!(lost(&lose_shards(&mut job, 10)), [1]);
    train(&mut job, 2);
    evaluate(&mut job, 2, 3.0);
    train(&mut job, 3);
    assert_eq!(collects(&evaluate(&mut job, 3, 4.0)), Some(2));
}

#[test]
fn an_epoch_that_a_shard_lost_while_it_was_evaluated_is_not_chosen() {
    let mut job = job(settings_with(3, None));
    train(&mut job, 1);
    assert!(lost(&lose_shards(&mut job, 10)).is_empty());
    evaluate(&mut job, 1, 1.0);
    train(&mut job, 2);
    evaluate(&mut job, 2, 3.0);
    train(&mut job, 3);
    assert_eq!(collects(&evaluate(&mut job, 3, 4.0)), Some(2));
}

#[test]
fn an_epoch_that_waits_for_its_validation_ends_again_when_a_shard_is_lost() {
    let mut job = job(settings_with(3, Some(1)));
    train(&mut job, 1);
    let lost = lose_shards(&mut job, 10);
    assert!(lost.contains(&JobCommand::DropStage(evaluate_kind(1))), "{lost:?}");
    let marks = job.answer(&lost, Answer::Marks(vec![ShardMarks::default()]), NOW);
    assert_eq!(kinds(&marks), [train_kind(1)], "the shard lacks the epoch");
    assert_eq!(kinds(&train(&mut job, 1)), [evaluate_kind(1)]);
    assert_eq!(kinds(&evaluate(&mut job, 1, 1.0)), [train_kind(2)]);
    train(&mut job, 2);
    assert_eq!(collects(&evaluate(&mut job, 2, 1.0)), Some(1));
}

#[test]
fn an_epoch_that_is_not_over_can_be_chosen_however_many_shards_are_lost() {
    let mut job = job(TrainSettings { shards: Some(2), ..settings_with(1, Some(1)) });
    job.on_shard_done(ShardIndex(1), OpId(2), Ok(()), NOW);
    train(&mut job, 1);
    // It waits for its validation.
    let lost_both = lose_shards(&mut job, 10);
    let marks = job.answer(&lost_both, Answer::Marks(vec![ShardMarks::default(); 2]), NOW);
    assert_eq!(kinds(&marks), [train_kind(1)]);
    assert_eq!(kinds(&train(&mut job, 1)), [evaluate_kind(1)]);
    assert_eq!(collects(&evaluate(&mut job, 1, 1.0)), Some(1));
    assert_eq!(job.best_epoch(), Some(Epoch(1)));
    // It is the model's, whose weights are being fetched.
    let lost_both = lose_shards(&mut job, 11);
    assert_eq!((lost(&lost_both), untagged(&lost_both)), (vec![], vec![]));
    assert_eq!(collects(&job.close(&lost_both, 1, NOW)), Some(1));
    assert_eq!(job.best_epoch(), Some(Epoch(1)));
}

#[test]
fn rounds_that_are_computed_again_keep_the_weights_of_the_best_epoch_anew() {
    let settings = TrainSettings { mode: Mode::Synchronous { backups: 0 }, ..settings_with(2, None) };
    let mut job = job(settings);
    let round = |job: &mut TrainJob, epoch: u32| {
        for (partition, pictures) in partitions(job, Some(PartitionUse::Train)) {
            job.done(train_kind(epoch), partition, &trained(pictures, 30));
        }
        let done = job.on_stage_finished(train_kind(epoch), NOW);
        job.answer(&done, Answer::Tagged, NOW)
    };
    round(&mut job, 1);
    evaluate(&mut job, 1, 1.0);
    lose_shards(&mut job, 10);
    assert_eq!(job.position.epoch, Epoch(1), "there is no snapshot");
    assert_eq!(kinds(&round(&mut job, 1)), [], "it is kept, and was evaluated");
    assert_eq!(job.position.epoch, Epoch(2));
    round(&mut job, 2);
    assert_eq!(collects(&evaluate(&mut job, 2, 2.0)), Some(1));
}
