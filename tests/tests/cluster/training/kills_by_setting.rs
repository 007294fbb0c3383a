//! In every mode and encoding, servers and executors that are killed lose no batch and double none.

use howdah_executor::learn::{Model, initial_weights};
use howdah_proto::{
    event::{Event, JobReport, Move},
    settings::{Compression, Encoding, Mode, Optimizer, PushEvery, TrainSettings, UpdateRule, Updates},
};
use howdah_tests::{
    cluster::Cluster,
    job::{self, Job},
    log,
    model::model_of,
    pictures::Pictures,
    process::{Process, Signal},
    settings::{counting, snapshots},
};

const EACH_STEP: PushEvery = PushEvery::Steps(1);
/// So many that a job goes on when all have been killed that are to be.
const EPOCHS: u32 = 30;
const TOP: Encoding = Encoding::TopK { permille: 50 };

/// Trains while a server is killed, then an executor, and then one of each at once. The first shard that is lost must
/// come back in this way.
fn trained_under_fire(settings: &TrainSettings, how: Move) -> (JobReport, Model) {
    let cluster = Cluster::start();
    let mut servers: Vec<Process> =
        ["first", "second", "third", "fourth"].iter().map(|name| cluster.paramserver(name)).collect();
    let mut executors: Vec<Process> =
        ["one", "two", "three"].iter().map(|name| cluster.executor(name)).collect();
    let mut job = cluster.submit(settings);
    wait_until_it_can_come_back(&mut job, settings, servers.len());
    for (kills_server, kills_executor) in [(true, false), (false, true), (true, true)] {
        wait_for_progress(&mut job, settings);
        servers.pop_if(|_| kills_server).into_iter().for_each(kill);
        executors.pop_if(|_| kills_executor).into_iter().for_each(kill);
    }
    let report = job.wait_for_report();
    assert!(report.shards_lost >= 1 && report.executors_lost >= 1, "{report:?}");
    assert_eq!(job.heard.iter().find_map(job::moved), Some(how), "{settings:?}");
    (report, Model::from_bytes(&model_of(&cluster, &job)).unwrap())
}

fn kill(victim: Process) {
    victim.send(Signal::KILL);
}

fn wait_until_it_can_come_back(job: &mut Job, settings: &TrainSettings, shards: usize) {
    if settings.snapshots.is_some() {
        job.wait_for("a snapshot", |event| matches!(event, Event::SnapshotTaken { .. }).then_some(()));
    }
    if settings.shard_copies > 1 {
        job.wait_for_standbys(shards);
    }
}

fn wait_for_progress(job: &mut Job, settings: &TrainSettings) {
    if settings.mode.in_rounds() { job.wait_for_epoch() } else { job.wait_for_trained(2) }
}

fn assert_model_counts(model: &Model, report: &JobReport) {
    let batches = report.batches as f32;
    let other = model.weights.iter().find(|weight| **weight != batches);
    assert_eq!(other, None, "{report:?}");
}

#[test]
fn bounded_staleness_counts_every_batch_once() {
    let pictures = Pictures::draw(120);
    for (staleness, shard_copies, how) in [(0, 1, Move::StartedAnew), (2, 2, Move::Promoted)] {
        let mode = Mode::BoundedStaleness { push_every: EACH_STEP, staleness };
        let settings = TrainSettings { mode, shard_copies, ..counting(&pictures.data, EPOCHS) };
        let (report, model) = trained_under_fire(&settings, how);
        log::assert_counted_exactly_once(&report);
        assert_model_counts(&model, &report);
    }
}

#[test]
fn hogwild_counts_every_batch_once() {
    let pictures = Pictures::draw(120);
    let saved = tempfile::tempdir().unwrap();
    let mode = Mode::Hogwild { push_every: EACH_STEP };
    let from_the_start = TrainSettings { mode, ..counting(&pictures.data, EPOCHS) };
    let from_snapshots = snapshots(from_the_start.clone(), saved.path());
    for (settings, how) in [(from_the_start, Move::StartedAnew), (from_snapshots, Move::Restored)] {
        let (report, model) = trained_under_fire(&settings, how);
        log::assert_counted_exactly_once(&report);
        assert_model_counts(&model, &report);
    }
}

#[test]
fn rounds_with_backups_count_as_many_contributions_as_they_wait_for() {
    let pictures = Pictures::draw(60);
    for (shard_copies, how) in [(1, Move::StartedAnew), (2, Move::Promoted)] {
        let mode = Mode::Synchronous { backups: 1 };
        let settings = TrainSettings { mode, shard_copies, ..counting(&pictures.data, EPOCHS) };
        let (report, model) = trained_under_fire(&settings, how);
        // Which contributions came in time each shard has decided by itself, and not how many.
        assert!(report.batches > 0 && !report.shards.is_empty(), "{report:?}");
        let all = Some((report.batches, report.batches));
        assert!(report.shards.iter().all(|shard| shard.counted == all), "{report:?}");
        assert_model_counts(&model, &report);
    }
}

#[test]
fn encoded_pushes_count_every_batch_once() {
    let pictures = Pictures::draw(120);
    for (push, shard_copies, how) in
        [(Encoding::Bf16, 1, Move::StartedAnew), (Encoding::Int8, 2, Move::Promoted)]
    {
        // Whole numbers that the encodings lose nothing of, of one step or of two.
        let mode = Mode::Asynchronous { push_every: PushEvery::Steps(2) };
        let compression = Compression { push, ..Compression::default() };
        let settings = TrainSettings { mode, compression, shard_copies, ..counting(&pictures.data, EPOCHS) };
        let (report, model) = trained_under_fire(&settings, how);
        log::assert_counted_exactly_once(&report);
        assert_model_counts(&model, &report);
    }
}

/// Every shard has applied every batch, whatever its weights are by that.
fn assert_applied_exactly_once(report: &JobReport) {
    assert!(report.batches > 0 && !report.shards.is_empty(), "{report:?}");
    assert!(report.shards.iter().all(|shard| shard.batches_applied == report.batches), "{report:?}");
}

/// How far the weights of a model are from the initial ones, in lengths of those.
fn moved(model: &Model, settings: &TrainSettings) -> f64 {
    let initial = initial_weights(&model.network, settings.seed);
    let square = |value: f32| f64::from(value) * f64::from(value);
    let moved: f64 = model.weights.iter().zip(&initial).map(|(weight, first)| square(weight - first)).sum();
    (moved / initial.iter().copied().map(square).sum::<f64>()).sqrt()
}

#[test]
fn sparse_pushes_with_error_feedback_and_sparse_differences_apply_every_batch_once() {
    let pictures = Pictures::draw(120);
    let saved = tempfile::tempdir().unwrap();
    let from_the_start = TrainSettings {
        updates: Updates::Deltas { optimizer: Optimizer::Adam { learning_rate: 1e-3 } },
        compression: Compression { push: TOP, pull: TOP, delta_pulls: true },
        ..counting(&pictures.data, EPOCHS)
    };
    let from_snapshots = snapshots(from_the_start.clone(), saved.path());
    let with_standbys = TrainSettings { shard_copies: 2, ..from_the_start.clone() };
    for (settings, how) in [
        (from_the_start, Move::StartedAnew),
        (from_snapshots, Move::Restored),
        (with_standbys, Move::Promoted),
    ] {
        let (report, model) = trained_under_fire(&settings, how);
        assert_applied_exactly_once(&report);
        // What was pushed is in the weights, and nothing has run away.
        let moved = moved(&model, &settings);
        assert!((1e-3..100.0).contains(&moved), "{moved}");
    }
}

#[test]
fn replicas_hold_the_weights_whatever_is_pulled_from_whichever_server() {
    let pictures = Pictures::draw(120);
    for (pull, delta_pulls, shard_copies, how) in [
        (Encoding::Bf16, false, 2, Move::Promoted),
        (Encoding::Int8, true, 1, Move::StartedAnew),
        (TOP, true, 2, Move::Promoted),
    ] {
        // Replicas push the weights that they hold and learn next to nothing: shards stay where they began if all that
        // was pulled is what they have.
        let settings = TrainSettings {
            updates: Updates::Weights { optimizer: Optimizer::Sgd { learning_rate: 1e-9 } },
            rule: UpdateRule::Elastic { rate: 0.5 },
            compression: Compression { pull, delta_pulls, ..Compression::default() },
            shard_copies,
            ..counting(&pictures.data, EPOCHS)
        };
        let (report, model) = trained_under_fire(&settings, how);
        assert_applied_exactly_once(&report);
        let moved = moved(&model, &settings);
        assert!(moved < 0.1, "{settings:?}: {moved}");
    }
}
