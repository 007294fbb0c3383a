use howdah_proto::{
    event::Event,
    pb::{self, task_update::Update},
};

use super::cluster::Cluster;
use crate::{membership::RoleDetails, train::fixture::settings};

#[test]
fn a_drained_executor_leaves_when_it_has_nothing_left_and_counts_as_no_loss() {
    let mut cluster = Cluster::new(1, &[2, 1]);
    let job = cluster.submit(settings(1));
    cluster.answer(0);
    let leaving = *cluster.executors.keys().next().unwrap();
    let attempts: Vec<_> = cluster.executors[&leaving].running.keys().copied().collect();
    assert_eq!(attempts.len(), 2);
    cluster.update(leaving, Update::Drain(pb::Drain {}));
    cluster.end(leaving, attempts[0]);
    assert_eq!(cluster.executors[&leaving].shutdowns, 0);
    cluster.end(leaving, attempts[1]);
    assert_eq!(cluster.executors[&leaving].shutdowns, 1);
    cluster.lose(leaving);
    assert!(matches!(cluster.last_event(job), Event::MemberLeft { .. }), "{:?}", cluster.last_event(job));
    cluster.run();
    cluster.check_finished(job);
    let Event::JobFinished(report) = cluster.last_event(job) else { panic!() };
    assert_eq!((report.executors_lost, report.task_retries), (0, 0));
}

#[test]
fn an_executor_that_drains_before_it_is_ready_gets_no_task() {
    let mut cluster = Cluster::new(1, &[1]);
    cluster.submit(settings(1));
    let role = RoleDetails::Executor { slots: 4, memory_bytes: 0 };
    let (id, session) = cluster.register("http://late:1", role);
    let beat = pb::Beat { member_id: id.0, session: session.0, draining: true, ..pb::Beat::default() };
    cluster.engine.on_beat(&beat, cluster.now);
    cluster.answer(0);
    cluster.executors.insert(id, super::executor::Executor::new(session, String::new(), 4));
    let (known, effects) = cluster.engine.on_attach(id, session, cluster.now);
    cluster.carry_out(effects);
    assert!(known);
    let executor = &cluster.executors[&id];
    assert_eq!((executor.running.len(), executor.shutdowns), (0, 1));
}

#[test]
fn a_process_that_comes_back_at_the_same_address_gets_the_tasks_of_the_old_one_anew() {
    let mut cluster = Cluster::new(1, &[2]);
    let job = cluster.submit(settings(2));
    for _ in 0..8 {
        cluster.step();
    }
    let old = *cluster.executors.keys().next().unwrap();
    let (address, session) = (cluster.executors[&old].address.clone(), cluster.executors[&old].session);
    let new = cluster.executor_at(address, 2);
    assert_eq!(cluster.executors.keys().collect::<Vec<_>>(), [&new]);
    assert!(cluster.engine.on_disconnected(old, session, "late".to_owned(), cluster.now).is_empty());
    cluster.run();
    cluster.check_finished(job);
    let Event::JobFinished(report) = cluster.last_event(job) else { panic!() };
    assert_eq!(report.executors_lost, 1);
}

#[test]
fn an_executor_is_told_of_when_it_can_be_given_tasks() {
    let mut cluster = Cluster::new(1, &[]);
    let job = cluster.submit(settings(1));
    let role = RoleDetails::Executor { slots: 2, memory_bytes: 0 };
    let (id, session) = cluster.register("http://slow:1", role);
    let joined = |cluster: &Cluster| {
        let events = cluster.jobs[&job].events.iter();
        events.filter(|event| matches!(event, Event::MemberJoined { member, .. } if *member == id)).count()
    };
    assert_eq!((joined(&cluster), cluster.engine.counts().executors), (0, 0));
    cluster.executors.insert(id, super::executor::Executor::new(session, "http://slow:1".to_owned(), 2));
    let (_, effects) = cluster.engine.on_attach(id, session, cluster.now);
    cluster.carry_out(effects);
    assert_eq!((joined(&cluster), cluster.engine.counts().executors), (1, 1));
}
