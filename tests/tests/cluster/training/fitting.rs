//! Operators are fitted to the training pictures: the parameters, and what is trained with them, are the same whoever
//! dies, and a run that is resumed keeps them.

use howdah_executor::{
    learn::Model,
    rdd::{Packed, spec_of},
    vision::{Color, Decode, Flatten, Flip, Normalise, Resize, Standardise},
};
use howdah_proto::{
    event::{Event, FailureKind, StageKind},
    settings::{DataSettings, Mode, Pipeline, TrainSettings, UpdateRule, Updates},
};
use howdah_tests::{
    cluster::Cluster,
    evaluation::assert_evaluates_to,
    job::Job,
    model::model_of,
    pictures::Pictures,
    process::{Process, Signal},
    settings::{learning, snapshots},
};

/// Two views of features are cached; one operator is fitted before that, and one to what is cached.
fn pipeline() -> Pipeline {
    let prepare = vec![
        spec_of(&Decode { color: Color::Gray }),
        spec_of(&Resize::new(16, 16)),
        spec_of(&Flip { probability: 0.5 }),
        spec_of(&Flatten {}),
        spec_of(&Standardise::new(1e-3, None)),
        spec_of(&Normalise { scale: 3.0, offset: 1.0 }),
    ];
    let feed = vec![spec_of(&Standardise::new(1e-3, Some(4.0)))];
    Pipeline { views: 2, mirror_average: true, ..Pipeline::new(prepare, feed) }
}

fn settings(pictures: &Pictures) -> TrainSettings {
    TrainSettings {
        pipeline: pipeline(),
        updates: Updates::Gradients,
        rule: UpdateRule::Adam { learning_rate: 1e-3 },
        mode: Mode::Synchronous { backups: 0 },
        epochs: 4,
        ..learning(&pictures.data)
    }
}

fn model(cluster: &Cluster, job: &mut Job) -> Model {
    job.wait_for_report();
    Model::from_bytes(&model_of(cluster, job)).unwrap()
}

fn undisturbed(settings: &TrainSettings) -> Model {
    let cluster = Cluster::start();
    let _server = cluster.paramserver("server");
    let _executor = cluster.executor("alone");
    model(&cluster, &mut cluster.submit(settings))
}

fn fitted(model: &Model) -> Vec<Standardise> {
    let all = model.pipeline.prepare.iter().chain(&model.pipeline.feed);
    let standardise = all.filter(|spec| spec.name == "standardise");
    standardise.map(|spec| serde_json::from_value(spec.params.clone()).unwrap()).collect()
}

fn assert_same(model: &Model, expected: &Model) {
    assert!(model.pipeline == expected.pipeline, "the parameters differ");
    assert!(model.weights == expected.weights, "the weights differ");
}

/// Kills an executor that was stopped, once it has been given a task of a stage.
fn kill_in(job: &mut Job, executor: &Process, name: &str, wanted: fn(&StageKind) -> bool) {
    let member = job.member(name);
    let mut stages = Vec::new();
    let stage = job.wait_for("a task of the stage", |event| match event {
        Event::StageStarted { stage, kind, .. } if wanted(kind) => {
            stages.push(*stage);
            None
        }
        Event::TaskStarted { stage, executor, .. } if *executor == member && stages.contains(stage) => {
            Some(*stage)
        }
        _ => None,
    });
    executor.send(Signal::KILL);
    job.wait_for("the loss of the task", |event| match event {
        Event::TaskFailed { stage: of, executor, kind: FailureKind::ExecutorLost, .. } => {
            (*executor == member && *of == stage).then_some(())
        }
        _ => None,
    });
}

#[test]
fn executors_that_die_while_operators_are_fitted_and_while_they_train_make_no_difference() {
    let pictures = Pictures::draw(100);
    let settings = settings(&pictures);
    let expected = undisturbed(&settings);
    let parameters = fitted(&expected);
    // What was standardised and moved again has the mean and the variance that it was moved to.
    let near = |values: &Packed, wanted: f32| values.iter().all(|value| (value - wanted).abs() < 0.05);
    let second = &parameters[1];
    assert!(near(second.mean.as_ref().unwrap(), 1.0), "{:?}", second.mean.as_ref().unwrap().to_vec());
    assert!(near(second.variance.as_ref().unwrap(), 9.0), "{:?}", second.variance.as_ref().unwrap().to_vec());

    let cluster = Cluster::start();
    let _server = cluster.paramserver("server");
    let victims = [cluster.executor("first"), cluster.executor("second"), cluster.executor("last")];
    // It can do nothing more, so that it dies with the task that it gets.
    victims[0].send(Signal::STOP);
    let mut job = cluster.submit(&settings);
    kill_in(&mut job, &victims[0], "first", |kind| matches!(kind, StageKind::Fit { .. }));
    job.wait_for("the end of an epoch", |event| matches!(event, Event::EpochFinished(_)).then_some(()));
    victims[1].send(Signal::KILL);
    assert_same(&model(&cluster, &mut job), &expected);
}

#[test]
fn a_resumed_run_keeps_the_parameters_that_were_found() {
    let pictures = Pictures::draw(100);
    let saved = tempfile::tempdir().unwrap();
    let settings = settings(&pictures);
    let expected = undisturbed(&settings);
    let with_snapshots = snapshots(settings, saved.path());
    {
        let cluster = Cluster::start();
        let _server = cluster.paramserver("server");
        let _executor = cluster.executor("executor");
        let mut job = cluster.submit(&with_snapshots);
        job.wait_for("a snapshot", |event| matches!(event, Event::SnapshotTaken { .. }).then_some(()));
    }
    let cluster = Cluster::start();
    let _server = cluster.paramserver("server");
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let location = with_snapshots.snapshots.as_ref().unwrap().location.clone();
    let mut job = cluster.submit(&TrainSettings { resume: Some(location), ..with_snapshots });
    let first = job.wait_for("the first stage", |event| match event {
        Event::StageStarted { kind, .. } => Some(*kind),
        _ => None,
    });
    assert_eq!(first, StageKind::Prepare);
    assert_same(&model(&cluster, &mut job), &expected);
}

#[test]
fn a_model_is_evaluated_as_the_cluster_evaluated_it() {
    let (pictures, held_out) = (Pictures::draw(100), Pictures::draw(60));
    let mut settings = settings(&pictures);
    let DataSettings::Folder { test, .. } = &mut settings.data else { panic!() };
    *test = Some(held_out.data.clone());
    let cluster = Cluster::start();
    let _server = cluster.paramserver("server");
    // Its blocks don't fit into memory, and wait on disk.
    let _executor = cluster.executor_with("small", &["--memory", "100KiB"]);
    let mut job = cluster.submit(&settings);
    let report = job.wait_for_report();
    let expected = report.epochs.last().unwrap().test_accuracy.unwrap();
    assert_evaluates_to(expected, &model_of(&cluster, &job), &held_out);
    assert!(expected > 0.5, "{expected}");
}
