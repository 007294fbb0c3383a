//! Jobs that need the same blocks, one after the other and at the same time.

use howdah_executor::{
    rdd::{Registry, spec_of},
    vision::{Standardise, register},
};
use howdah_proto::{
    JobId,
    event::{Event, StageKind},
    settings::{Pipeline, TrainSettings},
};
use rand::Rng;

use super::cluster::Cluster;
use crate::train::fixture::{EPSILON, settings};

const SEEDS: u64 = 100;

/// The tasks that jobs had in stages of a kind, and that succeeded.
fn done(cluster: &Cluster, jobs: &[JobId], wanted: fn(StageKind) -> bool) -> usize {
    let of = |job: &JobId| {
        let events = &cluster.jobs[job].events;
        let stages: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::StageStarted { stage, kind, .. } if wanted(*kind) => Some(*stage),
                _ => None,
            })
            .collect();
        let of_stage =
            |event: &&Event| matches!(event, Event::TaskSucceeded { stage, .. } if stages.contains(stage));
        events.iter().filter(of_stage).count()
    };
    jobs.iter().map(of).sum()
}

fn prepared(cluster: &Cluster, jobs: &[JobId]) -> usize {
    done(cluster, jobs, |kind| kind == StageKind::Prepare)
}

fn shared(cluster: &Cluster, job: JobId) -> Option<(u32, u32)> {
    cluster.jobs[&job].events.iter().find_map(|event| match event {
        Event::BlocksShared { partitions, awaited } => Some((*partitions, *awaited)),
        _ => None,
    })
}

fn fitted() -> TrainSettings {
    let spec = || vec![spec_of(&Standardise::new(EPSILON, None))];
    TrainSettings { pipeline: Pipeline::new(spec(), spec()), ..settings(1) }
}

fn knowing(seed: u64, slots: &[u32]) -> Cluster {
    let mut registry = Registry::new();
    register(&mut registry);
    let mut cluster = Cluster::new(seed, slots);
    cluster.know(registry);
    cluster
}

#[test]
fn a_second_job_with_the_same_pictures_prepares_nothing() {
    let mut cluster = Cluster::new(1, &[1, 2]);
    let first = cluster.submit(settings(1));
    cluster.run();
    let partitions = prepared(&cluster, &[first]);
    let second = cluster.submit(TrainSettings { batch: 5, ..settings(2) });
    let third = cluster.submit(TrainSettings { partitions: Some(3), ..settings(1) });
    cluster.run();
    assert_eq!(prepared(&cluster, &[second]), 0);
    assert_eq!(shared(&cluster, second), Some((partitions as u32, 0)));
    assert!(prepared(&cluster, &[third]) > 0);
    assert_eq!(shared(&cluster, third), None);
    for job in [first, second, third] {
        cluster.check_finished(job);
    }
}

#[test]
fn jobs_at_the_same_time_prepare_and_fit_everything_once() {
    for seed in 0..SEEDS {
        let mut cluster = knowing(seed, &[1, 2]);
        let jobs = [(); 3].map(|()| cluster.submit(fitted()));
        cluster.run();
        let alone = {
            let mut cluster = knowing(seed, &[1, 2]);
            let job = cluster.submit(fitted());
            cluster.run();
            prepared(&cluster, &[job])
        };
        assert_eq!(prepared(&cluster, &jobs), alone, "seed {seed}");
        assert_eq!(cluster.fitted.len(), 2, "seed {seed}");
        for job in jobs {
            cluster.check_finished(job);
        }
        // All were trained with the same parameters.
        assert!(cluster.modelled.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
    }
}

#[test]
fn a_job_that_ends_at_any_moment_leaves_its_work_to_those_that_wait() {
    for seed in 0..SEEDS {
        let mut cluster = knowing(seed, &[1, 2]);
        let first = cluster.submit(fitted());
        let others = [(); 2].map(|()| cluster.submit(fitted()));
        let steps = cluster.random.random_range(0..40);
        for _ in 0..steps {
            cluster.step();
        }
        cluster.cancel(first);
        cluster.run();
        for job in others {
            cluster.check_finished(job);
        }
    }
}

#[test]
fn jobs_that_share_go_on_when_executors_are_lost() {
    for seed in 0..SEEDS {
        let mut cluster = knowing(seed, &[1, 1, 1]);
        let jobs = [(); 2].map(|()| cluster.submit(fitted()));
        for _ in 0..2 {
            for _ in 0..cluster.random.random_range(0..30) {
                cluster.step();
            }
            if let Some(id) = cluster.any_executor() {
                cluster.lose(id);
            }
        }
        cluster.run();
        for job in jobs {
            cluster.check_finished(job);
        }
    }
}
