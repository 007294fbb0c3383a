//! Jobs whose operators are fitted to the training pictures, while executors are lost.

use howdah_executor::{
    rdd::{Registry, spec_of},
    vision::{Standardise, register},
};
use howdah_proto::{
    event::{Event, StageKind},
    lineage::OperatorSpec,
    settings::{Pipeline, TrainSettings},
};
use rand::Rng;

use super::{cluster::Cluster, shards};
use crate::train::fixture::{EPSILON, settings};

const SEEDS: u64 = 100;

fn cluster(seed: u64, slots: &[u32]) -> Cluster {
    let mut cluster = Cluster::new(seed, slots);
    cluster.know(registry());
    cluster
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    register(&mut registry);
    registry
}

/// One operator that prepares is to be fitted, and one that feeds.
fn pipeline() -> Pipeline {
    let spec = || vec![spec_of(&Standardise::new(EPSILON, None))];
    Pipeline::new(spec(), spec())
}

/// The operators with the parameters that were found, in the order in which the driver found them.
fn found(cluster: &Cluster) -> Vec<OperatorSpec> {
    cluster.fitted.clone()
}

#[test]
fn the_parameters_are_the_same_whatever_executors_are_lost_while_they_are_found() {
    let job = TrainSettings { pipeline: pipeline(), ..settings(2) };
    let mut undisturbed = cluster(1, &[2]);
    let id = undisturbed.submit(job.clone());
    undisturbed.run();
    undisturbed.check_finished(id);
    let expected = found(&undisturbed);
    assert_eq!(expected.len(), 2);
    let mut lost = 0;
    for seed in 0..SEEDS {
        let mut cluster = cluster(seed, &[1, 2, 3]);
        let id = cluster.submit(job.clone());
        let mut losses = 0;
        while cluster.step() || cluster.engine.next_deadline().is_some() {
            let fits = cluster.jobs[&id].events.iter().rev().find_map(|event| match event {
                Event::StageStarted { kind, .. } => Some(matches!(kind, StageKind::Fit { .. })),
                _ => None,
            });
            if fits == Some(true) && losses < 5 && cluster.random.random_bool(0.3) {
                losses += 1;
                let Some(id) = cluster.any_executor() else { continue };
                let (address, slots) = (cluster.executors[&id].address.clone(), cluster.executors[&id].slots);
                cluster.lose(id);
                cluster.executor_at(address, slots as u32);
            }
            if cluster.attempts().is_empty()
                && let Some(due) = cluster.engine.next_deadline()
            {
                cluster.tick(due.max(cluster.now));
            }
        }
        cluster.check_finished(id);
        assert_eq!(found(&cluster), expected, "seed {seed}");
        lost += losses;
    }
    assert!(lost > SEEDS, "{lost}");
}

#[test]
fn a_job_that_is_resumed_takes_the_parameters_that_were_found() {
    let settings = TrainSettings { pipeline: pipeline(), ..shards::job(shards::STREAM, 1, true) };
    let mut old = cluster(3, &[2, 2]);
    old.submit(settings.clone());
    while old.servers.manifests.is_empty() {
        assert!(old.step());
    }
    let expected = found(&old);
    let mut cluster = cluster(4, &[1]);
    cluster.pictures = old.pictures;
    cluster.servers.take_disk(old.servers);
    let resume = settings.snapshots.as_ref().map(|snapshots| snapshots.location.clone());
    let id = cluster.submit(TrainSettings { resume, ..settings });
    cluster.run();
    cluster.check_finished(id);
    assert_eq!(
        (found(&cluster), cluster.jobs[&id].launches.keys().any(|key| key.contains("Fit"))),
        (vec![], false)
    );
    let mut pipelines =
        cluster.modelled.iter().map(|pipeline| [&pipeline.prepare[..], &pipeline.feed].concat());
    assert_eq!(pipelines.next(), Some(expected));
}

#[test]
fn a_pipeline_that_can_not_be_built_fails_the_job_at_once() {
    let mut cluster = Cluster::new(1, &[1]);
    let id = cluster.submit(TrainSettings { pipeline: pipeline(), ..settings(2) });
    let Event::JobFailed { error, .. } = cluster.last_event(id) else { panic!("it goes on") };
    assert!(error.contains("`standardise` is not known here"), "{error}");
    cluster.run();
    cluster.check_clean();
}
