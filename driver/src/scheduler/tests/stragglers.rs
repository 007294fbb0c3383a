//! Second attempts of slow tasks, after the behaviours of Spark's TaskSetManagerSuite.

use howdah_proto::{MemberId, event::FailureKind};

use crate::scheduler::{Command, JobOptions, Millis, Scheduler, fixture::*};

/// Nine of ten tasks are done after a second; task 9 still runs on executor 2, and executor 1 is free.
fn straggler() -> Scheduler {
    let mut scheduler = cluster_with(&[9, 1], JobOptions::default());
    scheduler.submit(tasks(10));
    let slow = scheduler.executor(MemberId(2)).and_then(|executor| executor.attempts.first().copied());
    assert_eq!(slow, Some(attempt(9, 1)));
    for task in (0..10).filter(|task| *task != 9) {
        scheduler.on_attempt_succeeded(attempt(task, 1), MemberId(1), &[], Millis(2_000));
    }
    scheduler
}

fn tick_until(scheduler: &mut Scheduler, end: u64) -> Vec<Command> {
    let mut commands = Vec::new();
    while let Some(due) = scheduler.next_deadline().filter(|due| due.0 <= end) {
        commands.extend(scheduler.on_tick(due));
    }
    commands
}

#[test]
fn a_task_that_runs_three_times_longer_than_the_median_gets_a_second_attempt_elsewhere() {
    let mut scheduler = straggler();
    assert_eq!(tick_until(&mut scheduler, 3_999), []);
    let commands = tick_until(&mut scheduler, 4_000);
    assert!(matches!(commands[..], [Command::Launch { speculative: true, .. }]), "{commands:?}");
    assert_eq!(launches(&commands), [(1, 9, 2, 1)]);
    // It is copied once.
    assert_eq!(tick_until(&mut scheduler, 60_000), []);
}

#[test]
fn the_first_success_wins_and_the_other_attempt_is_cancelled() {
    let mut scheduler = straggler();
    tick_until(&mut scheduler, 4_000);
    let commands = scheduler.succeed(attempt(9, 2), 1);
    let cancelled = commands.iter().find_map(|command| match command {
        Command::Cancel { executor, attempt, .. } => Some((*executor, *attempt)),
        _ => None,
    });
    assert_eq!(cancelled, Some((MemberId(2), attempt(9, 1))));
    assert!(commands.contains(&Command::StageFinished { job: JOB, stage: STAGE }));
    // The loser's success is too late.
    assert_eq!(scheduler.succeed(attempt(9, 1), 2), []);
}

#[test]
fn the_failure_of_one_attempt_is_counted_and_the_other_goes_on() {
    for kind in [FailureKind::Task, FailureKind::Superseded] {
        let mut scheduler = straggler();
        tick_until(&mut scheduler, 4_000);
        let commands = scheduler.fail(attempt(9, 1), 2, kind);
        assert!(matches!(commands[..], [Command::Retrying { other_runs: true, .. }]), "{commands:?}");
    }
    let mut scheduler = straggler();
    tick_until(&mut scheduler, 4_000);
    let commands = scheduler.on_executor_lost(MemberId(1), "gone", Millis(4_000));
    assert_eq!(launches(&commands), []);
    assert_eq!(scheduler.stage_counts(JOB, STAGE).map(|counts| counts.running), Some(1));
}

#[test]
fn no_second_attempt_runs_on_the_same_executor() {
    let mut scheduler = cluster_with(&[10], JobOptions::default());
    scheduler.submit(tasks(10));
    for task in 0..9 {
        scheduler.on_attempt_succeeded(attempt(task, 1), MemberId(1), &[], Millis(2_000));
    }
    assert_eq!(tick_until(&mut scheduler, 60_000), []);
    let commands = scheduler.on_executor_registered(MemberId(2), 1, "host2", Millis(60_000));
    assert_eq!(launches(&commands), [(1, 9, 2, 2)]);
}

#[test]
fn nothing_is_slow_before_nine_tenths_of_the_stage_are_done() {
    let mut scheduler = cluster_with(&[8, 2], JobOptions::default());
    scheduler.submit(tasks(10));
    let first: Vec<_> = scheduler.executors().flat_map(|(_, executor)| executor.attempts.clone()).collect();
    assert_eq!(first.len(), 10);
    for attempt in
        scheduler.executor(MemberId(1)).map(|executor| executor.attempts.clone()).unwrap_or_default()
    {
        scheduler.on_attempt_succeeded(attempt, MemberId(1), &[], Millis(1_001));
    }
    assert_eq!(scheduler.next_deadline(), None);
}
