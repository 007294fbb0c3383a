//! Executors on which tasks fail, after the behaviours of Spark's HealthTrackerSuite.

use std::time::Duration;

use howdah_proto::{MemberId, StageId, event::FailureKind};

use crate::scheduler::{Command, Millis, Scheduler, fixture::*};

fn excluded(commands: &[Command]) -> Vec<(u64, Option<StageId>)> {
    let excluded = |command: &Command| match command {
        Command::Excluded { executor, stage, .. } => Some((executor.0, *stage)),
        _ => None,
    };
    commands.iter().filter_map(excluded).collect()
}

/// Fails the tasks with these numbers that run on executor 1.
fn fail_on_executor_1(scheduler: &mut Scheduler, stage: u64, count: usize) -> Vec<Command> {
    let running =
        scheduler.executor(MemberId(1)).map(|executor| executor.attempts.clone()).unwrap_or_default();
    let of_stage = running.into_iter().filter(|attempt| attempt.stage == StageId(stage));
    let mut commands = Vec::new();
    for attempt in of_stage.take(count).collect::<Vec<_>>() {
        commands.extend(scheduler.fail(attempt, 1, FailureKind::Task));
    }
    commands
}

#[test]
fn two_tasks_of_a_stage_that_fail_on_an_executor_exclude_it_for_the_stage() {
    let mut scheduler = cluster(&[3, 1]);
    scheduler.submit(tasks(8));
    let commands = fail_on_executor_1(&mut scheduler, 1, 1);
    assert_eq!((excluded(&commands), launches(&commands).len()), (vec![], 1));
    let commands = fail_on_executor_1(&mut scheduler, 1, 1);
    assert_eq!(excluded(&commands), [(1, Some(STAGE))]);
    assert_eq!(launches(&commands), []);
    assert_eq!(scheduler.excluded_for_stage(JOB, STAGE).collect::<Vec<_>>(), [MemberId(1)]);
    // Another stage may run there.
    assert_eq!(launches(&scheduler.submit_stage(JOB, 2, &[], tasks(1))), [(2, 0, 1, 1)]);
}

#[test]
fn two_stages_that_exclude_an_executor_exclude_it_for_everything_for_a_minute() {
    let mut scheduler = cluster(&[4, 4]);
    for stage in 1..=2 {
        scheduler.submit_stage(JOB, stage, &[], tasks(4));
    }
    fail_on_executor_1(&mut scheduler, 1, 2);
    let commands = fail_on_executor_1(&mut scheduler, 2, 2);
    assert_eq!(excluded(&commands), [(1, Some(StageId(2))), (1, None)]);
    assert_eq!(scheduler.excluded().collect::<Vec<_>>(), [MemberId(1)]);
    assert!(launches(&scheduler.submit_stage(JOB, 3, &[], tasks(9))).iter().all(|launch| launch.3 == 2));
    let until = START.after(Duration::from_secs(60));
    assert_eq!(launches(&scheduler.on_tick(Millis(until.0 - 1))), []);
    let commands = scheduler.on_tick(until);
    assert_eq!(commands[0], Command::Included { executor: MemberId(1) });
    assert!(!launches(&commands).is_empty());
}

#[test]
fn the_last_executor_is_never_excluded_for_everything() {
    let mut scheduler = cluster(&[8]);
    scheduler.submit(tasks(8));
    let commands = fail_on_executor_1(&mut scheduler, 1, 8);
    assert!(excluded(&commands).iter().all(|(_, stage)| stage.is_some()), "{commands:?}");
    assert_eq!(launches(&commands).len(), 8);
}

#[test]
fn an_excluded_executor_is_included_when_the_others_are_gone() {
    let mut scheduler = cluster(&[4, 4]);
    scheduler.submit(tasks(8));
    fail_on_executor_1(&mut scheduler, 1, 4);
    assert_eq!(scheduler.excluded().count(), 1);
    let commands = scheduler.on_executor_lost(MemberId(2), "gone", START);
    assert!(commands.contains(&Command::Included { executor: MemberId(1) }), "{commands:?}");
    assert_eq!(launches(&commands).len(), 4);
}

#[test]
fn a_task_that_failed_on_every_executor_may_run_anywhere_until_its_last_attempt() {
    let mut scheduler = cluster(&[1, 1]);
    scheduler.submit(tasks(1));
    let mut places = Vec::new();
    let mut place = 1;
    for number in 1..=3 {
        let commands = scheduler.fail(attempt(0, number), place, FailureKind::Task);
        place = launches(&commands)[0].3;
        places.push(place);
    }
    assert_eq!(places, [2, 1, 1]);
    assert!(error(&scheduler.fail(attempt(0, 4), place, FailureKind::Task)).is_some());
}

#[test]
fn an_executor_that_joins_again_has_a_clean_slate() {
    let mut scheduler = cluster(&[4, 1]);
    scheduler.submit(tasks(8));
    fail_on_executor_1(&mut scheduler, 1, 2);
    let commands = scheduler.on_executor_registered(MemberId(1), 4, "host1", START);
    assert_eq!(launches(&commands).len(), 4);
    assert_eq!(scheduler.excluded_for_stage(JOB, STAGE).count(), 0);
}
