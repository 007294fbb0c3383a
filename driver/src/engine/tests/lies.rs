use howdah_proto::{
    BlockId, NodeId,
    event::Event,
    pb::{self, attempt_succeeded::Result as TaskResult, task_update::Update},
};

use super::{cluster::Cluster, executor::succeeded};
use crate::{
    scheduler::Millis,
    train::fixture::{computed, settings, trained},
};

/// A cluster whose only executor has been given its first task.
fn preparing() -> Cluster {
    let mut cluster = Cluster::new(1, &[1]);
    cluster.submit(settings(1));
    cluster.answer(0);
    cluster
}

#[test]
fn a_result_that_makes_no_sense_is_tried_again_and_fails_the_job_in_the_end() {
    let mut cluster = preparing();
    let pictures = 50;
    let lies = [Some(trained(pictures, 10)), Some(computed(u64::MAX, 0)), Some(computed(pictures, 9)), None];
    for lie in lies {
        let (id, attempt) = cluster.attempts()[0];
        let task = cluster.executors.get_mut(&id).unwrap().running.remove(&attempt).unwrap();
        assert_eq!((task.partition, task.files.len() as u64), (0, pictures));
        let lie = pb::AttemptSucceeded { attempt: Some(attempt.into()), stored: vec![], result: lie };
        cluster.update(id, Update::Succeeded(lie));
    }
    let job = *cluster.jobs.keys().next().unwrap();
    let Event::JobFailed { error, .. } = cluster.last_event(job) else { panic!("it goes on") };
    assert!(error.contains("partition 0"), "{error}");
    cluster.run();
    cluster.check_clean();
}

#[test]
fn a_success_of_an_ended_job_leaves_nothing_behind() {
    let mut cluster = preparing();
    let (id, attempt) = cluster.attempts()[0];
    let job = *cluster.jobs.keys().next().unwrap();
    cluster.cancel(job);
    cluster.executors.get_mut(&id).unwrap().running.clear();
    cluster.update(id, succeeded(attempt, computed(50, 0)));
    cluster.run();
    cluster.check_clean();
}

#[test]
fn only_the_executor_of_an_attempt_can_say_how_far_it_is() {
    let mut cluster = preparing();
    let (_, attempt) = cluster.attempts()[0];
    let job = *cluster.jobs.keys().next().unwrap();
    let other = cluster.executor(0);
    cluster.now = Millis(9_000);
    let told = cluster.jobs[&job].events.len();
    let progress = pb::AttemptProgress { attempt: Some(attempt.into()), done: 7, total: 50 };
    cluster.update(other, Update::Progress(progress));
    assert_eq!(cluster.jobs[&job].events.len(), told);
    let (id, attempt) = cluster.attempts()[0];
    let progress = pb::AttemptProgress { attempt: Some(attempt.into()), done: u64::MAX, total: 50 };
    cluster.update(id, Update::Progress(progress));
    let Event::Progress { done: 50, total: 130, .. } = cluster.last_event(job) else {
        panic!("{:?}", cluster.last_event(job))
    };
}

#[test]
fn an_executor_holds_only_the_block_that_its_task_was_to_store() {
    let mut cluster = preparing();
    let (id, attempt) = cluster.attempts()[0];
    cluster.executors.get_mut(&id).unwrap().running.remove(&attempt);
    let context_id = cluster.engine.jobs[&attempt.job].train.blocks_context().0;
    let block = |node, partition| pb::BlockId { context_id, node, partition };
    let stored = vec![block(0, 0), block(0, 1), block(7, 0)];
    let result = Some(computed(50, 0));
    let attempt = Some(attempt.into());
    cluster.update(id, Update::Succeeded(pb::AttemptSucceeded { attempt, stored: stored.clone(), result }));
    let held = |wire: &pb::BlockId| cluster.engine.scheduler.holders(BlockId::from(*wire)).count();
    assert_eq!(stored.iter().map(held).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(BlockId::from(stored[0]).node, NodeId(0));
}

#[test]
fn wrong_training_and_evaluation_results_are_found() {
    let mut cluster = preparing();
    let job = *cluster.jobs.keys().next().unwrap();
    let mut lied = 0;
    for _ in 0..1_000 {
        let lie = cluster.attempts().first().copied().filter(|(_, attempt)| attempt.attempt.0 < 3);
        let lie = lie.filter(|_| !matches!(cluster.jobs[&job].events.last(), Some(Event::JobFinished(_))));
        let Some((id, attempt)) = lie else {
            if !cluster.step() {
                break;
            }
            continue;
        };
        let executor = cluster.executors.get_mut(&id).unwrap();
        let result = match executor.running[&attempt].work.clone().unwrap() {
            pb::task_spec::Work::Round(_) => panic!("the job trains in no rounds"),
            pb::task_spec::Work::Rdd(_) | pb::task_spec::Work::Fit(_) | pb::task_spec::Work::Save(_) => {
                panic!("the job has none")
            }
            pb::task_spec::Work::Compute(_) => {
                cluster.end(id, attempt);
                continue;
            }
            pb::task_spec::Work::Train(work) if attempt.attempt.0 == 1 => trained(work.samples + 10, 10),
            pb::task_spec::Work::Train(work) => match trained(work.samples, 10) {
                TaskResult::Trained(right) => {
                    TaskResult::Trained(pb::EpochTrained { loss_sum: f64::NAN, ..right })
                }
                other => other,
            },
            pb::task_spec::Work::Evaluate(_) if attempt.attempt.0 == 1 => {
                let confusion = vec![u64::MAX, u64::MAX, 1, 1];
                let summary = Some(pb::EvaluationSummary { confusion, ..Default::default() });
                TaskResult::Evaluated(pb::BlockEvaluated { summary })
            }
            pb::task_spec::Work::Evaluate(_) => TaskResult::Evaluated(pb::BlockEvaluated { summary: None }),
        };
        executor.running.remove(&attempt);
        cluster.update(id, succeeded(attempt, result));
        lied += 1;
    }
    assert!(lied >= 6, "{lied}");
    // The shards would have found out, too; here they count what was trained.
    cluster.run();
    cluster.check_finished(job);
    let Event::JobFinished(report) = cluster.last_event(job) else { panic!() };
    assert_eq!((report.epochs[0].test_accuracy, report.task_retries), (Some(1.0), lied));
}
