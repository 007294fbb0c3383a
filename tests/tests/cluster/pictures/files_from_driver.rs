//! Executors that can't see the driver's pictures get them from the driver.

use std::{fs, os::unix::fs::symlink, path::Path};

use howdah_proto::{event::Event, settings::TrainSettings};
use howdah_tests::{
    cluster::Cluster,
    job::Job,
    log,
    pictures::{Pictures, files},
    settings::counting,
};

/// A name of the pictures that leads somewhere in the folder of the driver alone: each process has its own.
const SEEN_BY_THE_DRIVER: &str = "/proc/self/cwd/pictures";

fn hidden(cluster: &Cluster, pictures: &Pictures) -> TrainSettings {
    symlink(&pictures.data, cluster.folder().join("pictures")).unwrap();
    TrainSettings { max_bad_pictures: 3, ..counting(Path::new(SEEN_BY_THE_DRIVER), 1) }
}

fn pictures_to_train_on(job: &Job) -> u64 {
    let listed = job.heard.iter().find_map(|event| match event {
        Event::DatasetListed { train, .. } => Some(train.iter().sum()),
        _ => None,
    });
    listed.unwrap()
}

#[test]
fn executors_that_see_no_picture_get_every_one_from_the_driver() {
    let pictures = Pictures::draw(120);
    let cluster = Cluster::start();
    let _members = [cluster.paramserver("paramserver"), cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&hidden(&cluster, &pictures));
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!(report.skipped_pictures, 0);
    // One picture a step.
    assert_eq!(report.batches, pictures_to_train_on(&job));
}

#[test]
fn a_picture_that_vanishes_from_the_driver_is_left_out_and_the_others_are_not() {
    let pictures = Pictures::draw(120);
    let cluster = Cluster::start();
    let mut job = cluster.submit(&hidden(&cluster, &pictures));
    job.wait_for("the wait for executors", |event| matches!(event, Event::Waiting { .. }).then_some(()));
    let vanished = &files(&pictures.data.join("cats"))[20];
    fs::remove_file(vanished).unwrap();
    let _members = [cluster.paramserver("paramserver"), cluster.executor("executor")];
    let path = job.wait_for("a word about the picture", |event| match event {
        Event::PictureSkipped { path, .. } => Some(path.clone()),
        _ => None,
    });
    assert_eq!(Path::new(&path).file_name(), vanished.file_name());
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!((report.skipped_pictures, report.task_retries), (1, 0));
}
