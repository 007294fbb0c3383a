//! Members outlive their driver.

use howdah_proto::event::Event;
use howdah_tests::{cluster::Cluster, log, pictures::Pictures, settings::counting};

#[test]
fn members_come_back_to_a_driver_that_was_killed_and_started_again() {
    let pictures = Pictures::draw(60);
    let mut cluster = Cluster::start();
    let mut members = [cluster.paramserver("paramserver"), cluster.executor("executor")];
    let mut lost = cluster.submit(&counting(&pictures.data, 1_000));
    let id = lost.member("executor");
    lost.wait_for_training_on(id);
    cluster.replace_driver();
    for member in &mut members {
        member.wait_for_line("has joined");
    }
    // If the driver comes back within a second, the new job has the number of the old one, whose shards and blocks must
    // not be taken for its own.
    let mut job = cluster.submit(&counting(&pictures.data, 2));
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert!(!job.heard.iter().any(|event| matches!(event, Event::TaskFailed { .. })), "{:?}", job.heard);
}
