//! Jobs that share the slots, after the behaviours of Spark's PoolSuite and TaskSchedulerImplSuite.

use howdah_proto::{JobId, MemberId};

use crate::scheduler::{Command, JobOptions, Options, Pool, PoolMode, PoolName, Scheduler, fixture::*};

/// One executor with two slots, and jobs 1 and 2 with ten tasks each; returns of which jobs the first ten ran.
fn first_ten(pools: Vec<Pool>, pool_of: [&str; 2]) -> Vec<u64> {
    let mut scheduler = Scheduler::new(Options { pools, ..Options::default() });
    for (id, name) in (1..).map(JobId).zip(pool_of) {
        let options = JobOptions { pool: PoolName::new(name), ..without_speculation() };
        scheduler.on_job_submitted(id, id.into(), options);
        scheduler.submit_stage(id, 1, &[], tasks(10));
    }
    let mut running: std::collections::VecDeque<_> =
        scheduler.on_executor_registered(MemberId(1), 2, "host1", START).into();
    let mut order = Vec::new();
    while order.len() < 10 {
        let Some(command) = running.pop_front() else { break };
        if let Command::Launch { attempt, .. } = command {
            order.push(attempt.job.0);
            running.extend(scheduler.succeed(attempt, 1));
        }
    }
    order
}

#[test]
fn without_pools_the_first_job_runs_first() {
    assert_eq!(first_ten(Vec::new(), ["default", "default"]), [1; 10]);
}

#[test]
fn jobs_in_two_pools_both_go_on_though_each_could_fill_the_cluster() {
    assert_eq!(first_ten(Vec::new(), ["a", "b"]), [1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
}

#[test]
fn jobs_in_a_fair_pool_both_go_on() {
    let pool = Pool { mode: PoolMode::Fair, ..Pool::named(PoolName::new("a")) };
    let order = first_ten(vec![pool], ["a", "a"]);
    assert_eq!(order.iter().filter(|job| **job == 1).count(), 5, "{order:?}");
}

#[test]
fn what_a_pool_runs_can_be_seen() {
    let mut scheduler = cluster(&[3]);
    scheduler.submit(tasks(5));
    let views: Vec<_> = scheduler.pools().map(|view| (view.pool.name, view.jobs, view.running)).collect();
    assert_eq!(views, [(PoolName::default(), 1, 3)]);
}
