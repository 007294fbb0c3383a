//! Pictures that are prepared by one job and trained on by another, while executors are lost.

use howdah_executor::{
    rdd::{Registry, spec_of},
    vision::{Standardise, register},
};
use howdah_proto::{
    event::{Event, StageKind},
    settings::{Pipeline, PrepareTo, TrainSettings},
};
use rand::Rng;

use super::cluster::Cluster;
use crate::{
    prepared::{Manifest, PreparedSet},
    train::fixture::{EPSILON, settings},
};

fn known(mut cluster: Cluster) -> Cluster {
    let mut registry = Registry::new();
    register(&mut registry);
    cluster.know(registry);
    cluster
}

fn job() -> TrainSettings {
    let spec = || vec![spec_of(&Standardise::new(EPSILON, None))];
    TrainSettings { pipeline: Pipeline::new(spec(), spec()), ..settings(2) }
}

fn to_prepare() -> TrainSettings {
    let to = PrepareTo { location: "/set".to_owned(), pipeline_name: "own".to_owned() };
    TrainSettings { prepare: Some(to), ..job() }
}

/// Prepares pictures without a parameter server; loses up to so many executors meanwhile.
fn prepare(seed: u64, losses: u32) -> Manifest {
    let mut cluster = known(Cluster::without_members(seed));
    let id = cluster.submit(to_prepare());
    cluster.executor(2);
    cluster.executor(1);
    let mut lost = 0;
    while cluster.step() || cluster.engine.next_deadline().is_some() {
        // What is lost after the end is no loss of the job.
        let has_ended = matches!(cluster.last_event(id), Event::JobPrepared(_));
        if lost < losses && !has_ended && cluster.random.random_bool(0.2) {
            let Some(id) = cluster.any_executor() else { continue };
            lost += 1;
            let slots = cluster.executors[&id].slots as u32;
            cluster.lose(id);
            cluster.executor(slots);
        }
        if cluster.attempts().is_empty()
            && let Some(due) = cluster.engine.next_deadline()
        {
            cluster.tick(due.max(cluster.now));
        }
    }
    let Event::JobPrepared(report) = cluster.last_event(id) else { panic!("{:?}", cluster.last_event(id)) };
    assert_eq!(
        (report.train.clone(), report.test.clone(), report.skipped_pictures),
        (vec![50, 50], vec![15, 15], 0)
    );
    assert_eq!(report.executors_lost, u64::from(lost));
    cluster.check_clean();
    cluster.committed.pop().unwrap()
}

#[test]
fn a_set_is_the_same_whatever_executors_are_lost_while_it_is_prepared() {
    let expected = prepare(1, 0);
    assert_eq!((expected.train.balance.clone(), expected.shards.len()), (vec![0.5, 0.5], 5));
    let content = serde_json::to_vec(&expected).unwrap();
    assert_eq!(Manifest::read("manifest.json", &content), Ok(Some(expected.clone())));
    for seed in 2..40 {
        assert_eq!(prepare(seed, 5), expected, "seed {seed}");
    }
}

#[test]
fn a_training_on_a_set_fits_nothing_and_takes_the_steps_of_one_on_pictures() {
    let mut on_pictures = known(Cluster::new(3, &[2]));
    let first = on_pictures.submit(job());
    on_pictures.run();
    on_pictures.check_finished(first);
    let mut on_set = known(Cluster::new(4, &[1, 1]));
    let manifest = prepare(5, 1);
    let files = manifest.shards.iter().map(|shard| crate::dataset::PictureFile {
        path: format!("/set/{}", shard.file).into(),
        relative: shard.file.clone(),
        label: 0,
        bytes: shard.bytes,
        modified_unix_ns: 0,
        part: None,
    });
    on_set.set = Some(PreparedSet { files: files.collect(), manifest });
    let second = on_set.submit(job());
    on_set.run();
    on_set.check_finished(second);
    let stages = |cluster: &Cluster, id| {
        let stage = |event: &Event| match event {
            Event::StageStarted { kind, tasks, .. } => Some((format!("{kind:?}"), *tasks)),
            _ => None,
        };
        cluster.jobs[&id].events.iter().filter_map(stage).collect::<std::collections::BTreeSet<_>>()
    };
    let mut expected = stages(&on_pictures, first);
    expected.retain(|(kind, _)| !kind.contains("Fit"));
    assert_eq!(stages(&on_set, second), expected);
    assert!(expected.contains(&(format!("{:?}", StageKind::Prepare), 4)), "{expected:?}");
    assert_eq!(on_set.modelled, on_pictures.modelled);
    let Event::JobFinished(report) = on_set.last_event(second) else { panic!() };
    let Event::JobFinished(before) = on_pictures.last_event(first) else { panic!() };
    assert_eq!((report.batches, &report.classes), (before.batches, &before.classes));
}
