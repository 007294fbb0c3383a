//! A job without the members it needs says so, and goes on when they come.

use howdah_proto::event::Event;
use howdah_tests::{cluster::Cluster, log, pictures::Pictures, process::Signal, settings::counting};

fn waiting(event: &Event) -> Option<String> {
    match event {
        Event::Waiting { reason } => Some(reason.clone()),
        _ => None,
    }
}

fn goes_on(event: &Event) -> Option<()> {
    matches!(event, Event::GoesOn).then_some(())
}

#[test]
fn a_job_whose_executors_are_all_gone_waits_and_goes_on_with_a_new_one() {
    let pictures = Pictures::draw(120);
    let cluster = Cluster::start();
    let _paramserver = cluster.paramserver("paramserver");
    let first = cluster.executor("first");
    let mut job = cluster.submit(&counting(&pictures.data, 60));
    let id = job.member("first");
    job.wait_for_training_on(id);
    first.send(Signal::KILL);
    let reason = job.wait_for("a word that the job waits", waiting);
    assert!(reason.contains("executor"), "{reason}");

    let _second = cluster.executor("second");
    let id = job.member("second");
    job.wait_for("a word that the job goes on", goes_on);
    job.wait_for("a task that the new executor has done", |event| {
        matches!(event, Event::TaskSucceeded { executor, .. } if *executor == id).then_some(())
    });
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!(report.executors_lost, 1);
}

#[test]
fn a_job_that_comes_before_the_cluster_waits_for_it() {
    let pictures = Pictures::draw(60);
    let cluster = Cluster::start();
    let mut job = cluster.submit(&counting(&pictures.data, 1));
    let reason = job.wait_for("a word that the job waits", waiting);
    assert_eq!(reason, "no executor and no parameter server has joined");
    let _members = [cluster.executor("executor"), cluster.paramserver("paramserver")];
    job.wait_for("a word that the job goes on", goes_on);
    log::assert_counted_exactly_once(&job.wait_for_report());
}

#[test]
fn a_driver_that_was_stopped_for_longer_than_a_member_may_be_silent_loses_nobody() {
    let pictures = Pictures::draw(120);
    let cluster = Cluster::with(&["--heartbeat-interval", "0.2", "--heartbeat-timeout", "5"]);
    let mut members = [cluster.paramserver("paramserver"), cluster.executor("executor")];
    let mut job = cluster.submit(&counting(&pictures.data, 20));
    let id = job.member("executor");
    job.wait_for_training_on(id);
    cluster.driver.send(Signal::STOP);
    for member in &mut members {
        member.wait_for_line("the driver hasn't answered for 5s");
    }
    cluster.driver.send(Signal::CONT);
    for member in &mut members {
        member.wait_for_line("the driver answers again");
    }
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!(report.executors_lost, 0, "{report:?}");
    let lost = |event: &Event| matches!(event, Event::MemberLost { .. } | Event::ShardLost { .. });
    assert!(!job.heard.iter().any(lost), "{:?}", job.heard);
}

#[test]
fn members_that_are_all_silent_for_a_while_are_not_lost() {
    let pictures = Pictures::draw(120);
    let mut cluster = Cluster::impatient();
    let members = [cluster.paramserver("left"), cluster.paramserver("right"), cluster.executor("executor")];
    let mut job = cluster.submit(&counting(&pictures.data, 20));
    let id = job.member("executor");
    job.wait_for_training_on(id);
    members.iter().for_each(|member| member.send(Signal::STOP));
    cluster.driver.wait_for_line("the driver may be cut off");
    members.iter().for_each(|member| member.send(Signal::CONT));
    cluster.driver.wait_for_line("the members are heard again");
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!(report.executors_lost, 0, "{report:?}");
    let lost = |event: &Event| matches!(event, Event::MemberLost { .. } | Event::ShardLost { .. });
    assert!(!job.heard.iter().any(lost), "{:?}", job.heard);
}
