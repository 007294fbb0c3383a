//! Stages, shuffles and lost outputs, after the behaviours of Spark's DAGSchedulerSuite.

use howdah_proto::{AttemptId, MemberId, StageId, TaskIndex, event::FailureKind};

use crate::scheduler::{Command, JobError, LostOutput, Scheduler, fixture::*};

/// An attempt of a task of a stage of job 1.
fn of(stage: u64, task: u32, number: u32) -> AttemptId {
    AttemptId { stage: StageId(stage), ..attempt(task, number) }
}

fn lost(stage: u64, task: u32, at: u64) -> LostOutput {
    LostOutput { stage: StageId(stage), task: TaskIndex(task), at: MemberId(at) }
}

fn retried(commands: &[Command]) -> Vec<(u64, u32)> {
    let retried = |command: &Command| match command {
        Command::StageRetried { stage, attempt, .. } => Some((stage.0, *attempt)),
        _ => None,
    };
    commands.iter().filter_map(retried).collect()
}

fn counts(scheduler: &Scheduler, stage: u64) -> (u32, u32, u32, u32) {
    let counts = scheduler.stage_counts(JOB, StageId(stage)).unwrap_or_default();
    (counts.blocked, counts.pending, counts.running, counts.done)
}

/// Executors 1 and 2 have an output each of map stage 1, and run a task each of its child, stage 2, which has three.
fn shuffle() -> Scheduler {
    let mut scheduler = cluster(&[1, 1]);
    scheduler.submit_map(1, &[], tasks(2));
    scheduler.submit_stage(JOB, 2, &[1], tasks(3));
    scheduler.succeed(of(1, 0, 1), 1);
    let commands = scheduler.succeed(of(1, 1, 1), 2);
    assert_eq!(launches(&commands), [(2, 0, 1, 1), (2, 1, 1, 2)]);
    scheduler
}

impl Scheduler {
    fn no_fetch(&mut self, attempt: AttemptId, executor: u64, lost: &[LostOutput]) -> Vec<Command> {
        self.on_fetch_failed(attempt, MemberId(executor), lost, "no such output", START)
    }
}

#[test]
fn a_map_stage_that_nobody_needs_does_not_run() {
    let mut scheduler = cluster(&[4]);
    assert_eq!(scheduler.submit_map(1, &[], tasks(1)), []);
    assert_eq!(scheduler.submit_map(2, &[1], tasks(1)), []);
    let commands = scheduler.submit_stage(JOB, 3, &[2], tasks(1));
    assert_eq!(launches(&commands), [(1, 0, 1, 1)]);
}

#[test]
fn a_stage_whose_outputs_are_all_there_is_finished_at_once_and_its_parents_do_not_run() {
    let mut scheduler = cluster(&[1]);
    scheduler.submit_map(1, &[], tasks(1));
    let mut kept = tasks(2);
    kept.iter_mut().for_each(|task| task.kept_at = Some(MemberId(1)));
    let commands = scheduler.submit_map(2, &[1], kept);
    assert!(commands.contains(&Command::StageFinished { job: JOB, stage: StageId(2) }), "{commands:?}");
    assert_eq!(launches(&scheduler.submit_stage(JOB, 3, &[2], tasks(1))), [(3, 0, 1, 1)]);
}

#[test]
fn only_the_outputs_that_are_not_there_are_computed() {
    let mut scheduler = cluster(&[4]);
    let mut kept = tasks(3);
    kept[0].kept_at = Some(MemberId(1));
    kept[1].kept_at = Some(MemberId(99));
    scheduler.submit_map(1, &[], kept);
    assert_eq!(launches(&scheduler.submit_stage(JOB, 2, &[1], tasks(1))), [(1, 1, 1, 1), (1, 2, 1, 1)]);
    let places: Vec<_> = scheduler.outputs(JOB, StageId(1)).collect();
    assert_eq!(places, [Some(MemberId(1)), None, None]);
}

#[test]
fn outputs_that_are_lost_with_their_executor_are_computed_again_before_more_of_the_child_runs() {
    let mut scheduler = shuffle();
    let commands = scheduler.on_executor_lost(MemberId(2), "gone", START);
    assert_eq!(retried(&commands), [(1, 2)]);
    assert_eq!(counts(&scheduler, 1), (0, 1, 0, 1));
    assert_eq!(counts(&scheduler, 2), (2, 0, 1, 0));
    // The child's running attempt goes on, and its success counts.
    assert_eq!(launches(&scheduler.succeed(of(2, 0, 1), 1)), [(1, 1, 2, 1)]);
    let commands = scheduler.succeed(of(1, 1, 2), 1);
    let again = |command: &&Command| matches!(command, Command::TaskDone { again: true, .. });
    assert_eq!(commands.iter().filter(again).count(), 1, "{commands:?}");
    assert_eq!(launches(&commands), [(2, 1, 2, 1)]);
}

#[test]
fn outputs_that_nobody_needs_any_more_are_not_computed_again() {
    let mut scheduler = cluster(&[3, 1]);
    scheduler.submit_map(1, &[], tasks(1));
    scheduler.submit_map(2, &[1], tasks(1));
    scheduler.submit_stage(JOB, 3, &[2], tasks(1));
    scheduler.succeed(of(1, 0, 1), 1);
    scheduler.on_executor_draining(MemberId(1), START);
    scheduler.fail(of(2, 0, 1), 1, FailureKind::ExecutorLost);
    assert_eq!(launches(&scheduler.succeed(of(2, 0, 2), 2)), [(3, 0, 1, 2)]);
    // Stage 2 has what it needed of stage 1.
    assert_eq!(retried(&scheduler.on_executor_lost(MemberId(1), "left", START)), []);
    // When stage 2 must run again, so must stage 1.
    let commands = scheduler.on_executor_registered(MemberId(2), 1, "host2", START);
    assert_eq!(retried(&commands), [(2, 2), (1, 2)]);
    assert_eq!(launches(&commands), [(1, 0, 2, 2)]);
    assert_eq!(launches(&scheduler.succeed(of(1, 0, 2), 2)), [(2, 0, 3, 2)]);
    assert_eq!(launches(&scheduler.succeed(of(2, 0, 3), 2)), [(3, 0, 2, 2)]);
}

#[test]
fn a_fetch_failure_computes_the_named_outputs_again_and_is_not_the_tasks_failure() {
    let mut scheduler = shuffle();
    let commands = scheduler.no_fetch(of(2, 0, 1), 1, &[lost(1, 1, 2)]);
    assert_eq!(retried(&commands), [(1, 2), (2, 2)]);
    assert_eq!(launches(&commands), [(1, 1, 2, 1)]);
    // The other attempt of the same wave names an output that is reopened already.
    assert_eq!(retried(&scheduler.no_fetch(of(2, 1, 1), 2, &[lost(1, 1, 2)])), []);
    let commands = scheduler.succeed(of(1, 1, 2), 1);
    assert_eq!(launches(&commands), [(2, 0, 2, 1), (2, 1, 2, 2)]);
}

#[test]
fn a_stage_that_can_not_fetch_four_times_in_a_row_fails_its_job() {
    let mut scheduler = shuffle();
    for number in 1..=3 {
        let at = if number == 1 { 2 } else { 1 };
        let commands = scheduler.no_fetch(of(2, 0, number), 1, &[lost(1, 1, at)]);
        assert_eq!(error(&commands), None, "{commands:?}");
        let commands = scheduler.succeed(of(1, 1, number + 1), 1);
        assert_eq!(launches(&commands), [(2, 0, number + 1, 1)], "{number}");
    }
    let commands = scheduler.no_fetch(of(2, 0, 4), 1, &[lost(1, 1, 1)]);
    assert!(matches!(error(&commands), Some(JobError::StageFailed { attempts: 4, .. })), "{commands:?}");
}

#[test]
fn the_loss_of_executors_is_no_attempt_of_the_stage() {
    let mut scheduler = shuffle();
    scheduler.succeed(of(2, 0, 1), 1);
    for number in 0..10 {
        let next = 10 + number;
        scheduler.on_executor_registered(MemberId(next), 4, "next", START);
        let last = if number == 0 { 2 } else { next - 1 };
        let commands = scheduler.on_executors_lost(&[(MemberId(last), "gone")], START);
        assert!(!matches!(error(&commands), Some(JobError::StageFailed { .. })), "{commands:?}");
        if error(&commands).is_some() {
            return;
        }
        for (_, task, attempt, executor) in launches(&commands).into_iter().filter(|launch| launch.0 == 1) {
            scheduler.succeed(of(1, task, attempt), executor);
        }
    }
}

#[test]
fn a_fetch_failure_that_names_nothing_true_counts_as_the_tasks_own() {
    let mut scheduler = shuffle();
    let lies = [lost(1, 0, 2), lost(1, 9, 1), lost(2, 1, 2), lost(7, 0, 1)];
    for number in 1..=3 {
        let commands = scheduler.no_fetch(of(2, 0, number), 1, &lies);
        assert_eq!(retried(&commands), []);
        assert_eq!(launches(&commands), [(2, 0, number + 1, 1)]);
    }
    let commands = scheduler.no_fetch(of(2, 0, 4), 1, &lies);
    assert!(matches!(error(&commands), Some(JobError::TaskFailed { failures: 4, .. })), "{commands:?}");
}

#[test]
fn a_late_fetch_failure_about_an_output_that_was_computed_elsewhere_changes_nothing() {
    let mut scheduler = shuffle();
    scheduler.no_fetch(of(2, 0, 1), 1, &[lost(1, 1, 2)]);
    scheduler.succeed(of(1, 1, 2), 1);
    // Attempt 1 of task 1 was launched before the output moved from executor 2 to executor 1.
    for _ in 0..5 {
        let commands = scheduler.no_fetch(of(2, 1, 1), 2, &[lost(1, 1, 2)]);
        assert_eq!((retried(&commands), error(&commands)), (vec![], None));
    }
    assert_eq!(scheduler.outputs(JOB, StageId(1)).flatten().count(), 2);
}

#[test]
fn only_parents_outputs_can_be_reported_as_lost() {
    let mut scheduler = cluster(&[3]);
    scheduler.submit_map(1, &[], tasks(1));
    scheduler.submit_stage(JOB, 2, &[1], tasks(1));
    scheduler.submit_stage(JOB, 3, &[], tasks(1));
    scheduler.succeed(of(1, 0, 1), 1);
    assert_eq!(retried(&scheduler.no_fetch(of(3, 0, 1), 1, &[lost(1, 0, 1)])), []);
    assert_eq!(counts(&scheduler, 1), (0, 0, 0, 1));
}

#[test]
fn a_long_chain_of_lost_map_stages_is_computed_again_without_recursion() {
    let mut scheduler = cluster(&[1]);
    const LENGTH: u64 = 5_000;
    for stage in 1..LENGTH {
        let mut kept = tasks(1);
        kept[0].kept_at = Some(MemberId(1));
        let parents: Vec<u64> = (1..stage).rev().take(1).collect();
        scheduler.submit_map(stage, &parents, kept);
    }
    scheduler.submit_stage(JOB, LENGTH, &[LENGTH - 1], tasks(1));
    let commands = scheduler.on_executor_registered(MemberId(1), 1, "host1", START);
    assert_eq!(retried(&commands).len() as u64, LENGTH - 1);
    assert_eq!(launches(&commands), [(1, 0, 1, 1)]);
}
