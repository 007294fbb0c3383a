//! The scheduler against clusters that crash, hang, drain, come back and lie.

mod happenings;
mod model;
mod reports;
mod world;

use std::collections::BTreeMap;

use happenings::Flaw;
use model::End;
use world::World;

use crate::scheduler::JobError;

const SEEDS: u64 = 300;

#[test]
fn every_job_ends_rightly_whatever_the_cluster_does() {
    let mut ends = BTreeMap::<&str, u32>::new();
    let mut seen = BTreeMap::<&str, u32>::new();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.run();
        assert!(world.scheduler.is_clean(), "seed {seed}: something is left of jobs that ended");
        world.seen.iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
        for (id, job) in &world.model.jobs {
            let end = match &job.end {
                Some(End::Finished) => "finished",
                Some(End::Failed(error)) => name(error),
                None => panic!("seed {seed}: job {id} did not end"),
            };
            let flawed = world.flaws[id] != Flaw::None;
            assert!(!(flawed && end == "finished"), "seed {seed}: job {id} can't finish");
            *ends.entry(end).or_default() += 1;
        }
    }
    // Else the simulation shows little.
    assert_eq!(ends.len(), 7, "every way to end is tried: {ends:?}");
    assert!(seen.len() == 6 && seen.values().all(|count| *count > 20), "everything is tried: {seen:?}");
    assert!(ends["finished"] > 300, "{ends:?}");
}

fn name(error: &JobError) -> &'static str {
    match error {
        JobError::TaskFailed { .. } => "task failed",
        JobError::BadInput(_) => "bad input",
        JobError::TaskCrashed { .. } => "task crashed",
        JobError::StageFailed { .. } => "stage failed",
        JobError::NoExecutor { .. } => "no executor",
        JobError::Cancelled { .. } => "cancelled",
        JobError::UnknownParent { .. } | JobError::StageTwice { .. } => "wrongly submitted",
    }
}
