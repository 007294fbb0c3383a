use howdah_proto::event::Event;

use super::{cluster::Cluster, executor::succeeded};
use crate::{
    engine::IoRequest,
    scheduler::Millis,
    train::fixture::{computed, settings},
};

#[test]
fn a_job_that_is_cancelled_at_any_moment_leaves_nothing_behind() {
    for steps in 0..60 {
        let mut cluster = Cluster::new(steps, &[1, 2]);
        let job = cluster.submit(settings(2));
        for _ in 0..steps {
            cluster.step();
        }
        cluster.cancel(job);
        cluster.cancel(job);
        cluster.run();
        let finished = matches!(cluster.last_event(job), Event::JobFinished(_));
        assert!(finished || matches!(cluster.last_event(job), Event::JobCancelled { .. }));
        cluster.check_clean();
    }
}

#[test]
fn a_job_that_ends_by_a_result_frees_the_slots_of_its_other_tasks() {
    let mut cluster = Cluster::new(1, &[1]);
    let bad = cluster.submit(settings(1));
    cluster.answer(0);
    // One task runs and others wait for its slot when its result ends the job.
    let (id, attempt) = cluster.attempts()[0];
    let pictures = cluster.executors.get_mut(&id).unwrap().running.remove(&attempt).unwrap().files.len();
    cluster.update(id, succeeded(attempt, computed(0, pictures)));
    assert!(matches!(cluster.last_event(bad), Event::JobFailed { .. }), "{:?}", cluster.last_event(bad));
    let good = cluster.submit(settings(1));
    cluster.run();
    cluster.check_finished(good);
}

#[test]
fn shards_are_dropped_only_after_they_were_created() {
    let mut cluster = Cluster::new(1, &[1]);
    let job = cluster.submit(settings(1));
    cluster.answer(0);
    let (id, attempt) = cluster.attempts()[0];
    cluster.end(id, attempt);
    assert!(matches!(cluster.pending[..], [(_, IoRequest::MakeShards(_))]));
    cluster.cancel(job);
    assert!(matches!(cluster.pending[..], [(_, IoRequest::MakeShards(_))]), "{:?}", cluster.pending);
    cluster.answer(0);
    assert!(matches!(cluster.pending[..], [(_, IoRequest::DropShards { .. })]), "{:?}", cluster.pending);
    cluster.run();
    cluster.check_clean();
}

#[test]
fn a_job_whose_first_members_do_not_come_gives_up_after_the_wait_that_the_user_set() {
    let mut cluster = Cluster::without_members(1);
    let job = cluster
        .submit(howdah_proto::settings::TrainSettings { executor_wait_seconds: Some(30), ..settings(1) });
    cluster.answer(0);
    assert_eq!(cluster.engine.next_deadline(), Some(Millis(30_000)));
    cluster.tick(Millis(29_999));
    assert!(!cluster.last_event(job).is_last());
    cluster.tick(Millis(30_000));
    let Event::JobFailed { error, .. } = cluster.last_event(job) else { panic!("it waits on") };
    assert_eq!(error, "job 1 waited 30 s, and no executor and no parameter server has joined");
    cluster.check_clean();
}
