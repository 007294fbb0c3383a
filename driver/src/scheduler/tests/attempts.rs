use std::time::Duration;

use howdah_proto::{BlockId, ContextId, JobId, MemberId, Partition, event::FailureKind};

use crate::scheduler::{Command, Ignored, JobError, Millis, fixture::*};

#[test]
fn a_success_that_comes_twice_completes_the_task_once() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit(tasks(1));
    let done = Command::TaskDone {
        attempt: attempt(0, 1),
        partition: Partition(0),
        executor: MemberId(1),
        took: Duration::ZERO,
        again: false,
    };
    let finished = Command::StageFinished { job: JOB, stage: STAGE };
    assert_eq!(scheduler.succeed(attempt(0, 1), 1), [done, finished]);
    let why = Ignored::NotRunning;
    let again = Command::Ignored { attempt: attempt(0, 1), executor: MemberId(1), why };
    assert_eq!(scheduler.succeed(attempt(0, 1), 1), [again]);
}

#[test]
fn only_the_executor_that_runs_an_attempt_can_end_it() {
    let mut scheduler = cluster(&[1, 1]);
    scheduler.submit(tasks(1));
    scheduler.succeed(attempt(0, 1), 2);
    scheduler.fail(attempt(0, 1), 2, FailureKind::BadInput);
    scheduler.succeed(attempt(0, 2), 1);
    scheduler.succeed(attempt(9, 1), 1);
    assert_eq!(scheduler.stage_counts(JOB, STAGE).map(|counts| (counts.running, counts.done)), Some((1, 0)));
}

#[test]
fn a_failed_task_runs_on_another_executor_even_if_that_one_is_busy() {
    let mut scheduler = cluster(&[1, 1]);
    let first = scheduler.submit(tasks(3));
    assert_eq!(launches(&first), [(1, 0, 1, 1), (1, 1, 1, 2)]);
    // Executor 1 is free at once, and gets another task.
    assert_eq!(launches(&scheduler.fail(attempt(0, 1), 1, FailureKind::Task)), [(1, 2, 1, 1)]);
    assert_eq!(launches(&scheduler.succeed(attempt(2, 1), 1)), []);
    assert_eq!(launches(&scheduler.succeed(attempt(1, 1), 2)), [(1, 0, 2, 2)]);
}

#[test]
fn a_failed_task_runs_again_on_the_only_executor() {
    let mut scheduler = cluster(&[1, 1]);
    scheduler.on_executor_draining(MemberId(2), START);
    scheduler.submit(tasks(1));
    assert_eq!(launches(&scheduler.fail(attempt(0, 1), 1, FailureKind::Task)), [(1, 0, 2, 1)]);
}

#[test]
fn a_task_that_fails_as_often_as_it_may_fails_its_job_with_its_last_error_and_place() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit(tasks(1));
    for number in 1..=3 {
        assert_eq!(error(&scheduler.fail(attempt(0, number), 1, FailureKind::Task)), None);
    }
    let last = scheduler.fail(attempt(0, 4), 1, FailureKind::Task);
    let text = error(&last).map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        text,
        "a task failed 4 times, the last time as task 0 of stage 1 (job 1, attempt 4), partition 0, \
         on executor 1: it broke"
    );
    assert!(scheduler.is_clean());
}

#[test]
fn bad_input_fails_the_job_at_once_and_cancels_the_other_attempts() {
    let mut scheduler = cluster(&[2]);
    scheduler.submit(tasks(3));
    let commands = scheduler.fail(attempt(0, 1), 1, FailureKind::BadInput);
    assert!(matches!(error(&commands), Some(JobError::BadInput(_))), "{commands:?}");
    let cancelled = |command: &&Command| matches!(command, Command::Cancel { .. });
    assert_eq!(commands.iter().filter(cancelled).count(), 1);
    assert_eq!(launches(&commands), []);
}

#[test]
fn a_superseded_attempt_is_replaced_by_a_higher_one_and_not_counted() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit(tasks(1));
    for number in 1..20 {
        let commands = scheduler.fail(attempt(0, number), 1, FailureKind::Superseded);
        assert_eq!(launches(&commands), [(1, 0, number + 1, 1)]);
    }
}

#[test]
fn a_task_waits_after_a_shard_did_not_answer() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit(tasks(1));
    assert_eq!(launches(&scheduler.fail(attempt(0, 1), 1, FailureKind::ShardUnavailable)), []);
    let due = START.after(Duration::from_secs(1));
    assert_eq!(scheduler.next_deadline(), Some(due));
    assert_eq!(launches(&scheduler.on_tick(Millis(due.0 - 1))), []);
    assert_eq!(launches(&scheduler.on_tick(due)), [(1, 0, 2, 1)]);
    for number in 2..=3 {
        scheduler.fail(attempt(0, number), 1, FailureKind::ShardUnavailable);
        scheduler.on_tick(Millis(60_000));
    }
    let last = scheduler.fail(attempt(0, 4), 1, FailureKind::ShardUnavailable);
    assert!(matches!(error(&last), Some(JobError::TaskFailed { failures: 4, .. })), "{last:?}");
}

#[test]
fn an_executor_that_hands_a_task_back_gets_nothing_new() {
    let mut scheduler = cluster(&[2, 1]);
    scheduler.submit(tasks(3));
    let commands = scheduler.fail(attempt(0, 1), 1, FailureKind::ExecutorLost);
    assert_eq!(launches(&commands), []);
    assert_eq!(launches(&scheduler.succeed(attempt(2, 1), 2)), [(1, 0, 2, 2)]);
}

#[test]
fn a_cancelled_attempt_keeps_its_slot_until_the_executor_confirms() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit(tasks(1));
    scheduler.on_job_cancelled(JOB, "enough", START);
    scheduler.on_job_submitted(JobId(2), JobId(2).into(), Default::default());
    assert_eq!(launches(&scheduler.submit_stage(JobId(2), 1, &[], tasks(1))), []);
    assert_eq!(launches(&scheduler.fail(attempt(0, 1), 1, FailureKind::Cancelled)), [(1, 0, 1, 1)]);
}

#[test]
fn a_task_whose_executor_cancels_it_unasked_is_not_left_behind() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit(tasks(1));
    assert_eq!(launches(&scheduler.fail(attempt(0, 1), 1, FailureKind::Cancelled)), [(1, 0, 2, 1)]);
}

#[test]
fn stored_blocks_of_another_context_are_not_believed() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit(tasks(1));
    let foreign = BlockId { context: ContextId(9), ..block(0) };
    scheduler.on_attempt_succeeded(attempt(0, 1), MemberId(1), &[block(0), foreign], START);
    assert_eq!(scheduler.holders(block(0)).count(), 1);
    assert_eq!(scheduler.holders(foreign).count(), 0);
}

#[test]
fn the_blocks_of_a_shared_context_are_held_and_outlive_the_jobs_that_stored_them() {
    let mut scheduler = cluster(&[1]);
    scheduler.on_blocks_shared(JOB, ContextId(9));
    scheduler.submit(tasks(1));
    let shared = BlockId { context: ContextId(9), ..block(0) };
    scheduler.on_attempt_succeeded(attempt(0, 1), MemberId(1), &[block(0), shared], START);
    scheduler.on_job_finished(JOB, START);
    scheduler.on_context_closed(JOB.into(), START);
    assert_eq!((scheduler.holders(block(0)).count(), scheduler.holders(shared).count()), (0, 1));
    scheduler.on_context_closed(ContextId(9), START);
    assert!(scheduler.is_clean());
}
