use std::time::Duration;

use howdah_proto::event::Event;
use rand::Rng;

use super::cluster::Cluster;
use crate::{membership::OUTAGE, scheduler::Millis, train::fixture::settings};

const SEEDS: std::ops::Range<u64> = 0..200;
/// A task whose executor dies for the eighth time fails its job.
const MOST_LOSSES: u32 = 7;
const MOST_FAILURES: u32 = 3;

#[test]
fn every_job_finishes_when_nothing_is_lost() {
    for (seed, slots) in (0..).zip([&[1][..], &[1, 1], &[2, 3, 1], &[8; 5]]) {
        let mut cluster = Cluster::new(seed, slots);
        let jobs = [cluster.submit(settings(2)), cluster.submit(settings(3))];
        cluster.run();
        for job in jobs {
            cluster.check_finished(job);
            assert!(cluster.jobs[&job].launches.values().all(|launches| *launches == 1));
        }
    }
}

#[test]
fn every_job_finishes_whatever_executors_are_lost() {
    for seed in SEEDS {
        let mut cluster = Cluster::new(seed, &[1, 2, 3]);
        cluster.pictures = (cluster.random.random_range(2..200), cluster.random.random_range(0..50));
        let jobs = [cluster.submit(settings(2)), cluster.submit(settings(3))];
        let (mut losses, mut failures) = (0, 0);
        while cluster.step() || cluster.engine.next_deadline().is_some() {
            match cluster.random.random_range(0..20) {
                0 if losses < MOST_LOSSES => {
                    losses += 1;
                    let Some(id) = cluster.any_executor() else { continue };
                    let (address, slots) =
                        (cluster.executors[&id].address.clone(), cluster.executors[&id].slots);
                    if cluster.random.random_bool(0.5) {
                        cluster.lose(id);
                    }
                    // It comes back, as soon as it was lost or before that is noticed.
                    cluster.executor_at(address, slots as u32);
                }
                1 if failures < MOST_FAILURES && !cluster.attempts().is_empty() => {
                    failures += 1;
                    let (id, attempt) = cluster.attempts()[0];
                    cluster.fail(id, attempt);
                }
                2 => cluster.tick(cluster.now),
                _ => {}
            }
            if cluster.attempts().is_empty()
                && let Some(due) = cluster.engine.next_deadline()
            {
                cluster.tick(due.max(cluster.now));
            }
        }
        for job in jobs {
            cluster.check_finished(job);
            let most = cluster.jobs[&job].launches.values().max();
            assert!(most.is_some_and(|most| *most <= 1 + losses + failures), "seed {seed}: {most:?}");
            let Event::JobFinished(report) = cluster.last_event(job) else { continue };
            assert!(report.executors_lost <= u64::from(losses));
        }
    }
}

#[test]
fn executors_that_are_silent_together_are_lost_together() {
    let mut cluster = Cluster::new(1, &[1; 10]);
    let job = cluster.submit(settings(2));
    cluster.answer(0);
    assert_eq!(cluster.attempts().len(), 10);
    cluster.tick(Millis(0).after(OUTAGE));
    assert_eq!(cluster.attempts().len(), 10, "the driver may be cut off");
    cluster.tick(Millis(0).after(OUTAGE + Duration::from_secs(1)));
    assert!(cluster.jobs[&job].launches.values().all(|launches| *launches == 1));
    assert!(matches!(cluster.last_event(job), Event::Waiting { .. }), "{:?}", cluster.last_event(job));
}
