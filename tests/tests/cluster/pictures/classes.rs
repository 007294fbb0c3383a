//! Classes come from folders, or from a mapping of folders.

use howdah_tests::{log, pictures::Pictures, process::Process};

/// Trains on three folders, and gives the classes and the confusion matrix.
fn train(flags: &[&str]) -> (Vec<String>, Vec<Vec<u64>>) {
    let pictures = Pictures::draw(60);
    pictures.copy_class("cats", "lions");
    let folder = tempfile::tempdir().unwrap();
    let data = pictures.data.to_str().unwrap();
    let fixed =
        ["train", "--data", data, "--output", "run", "--size", "16", "--hidden", "8", "--epochs", "1"];
    Process::start("howdah-driver", fixed.iter().chain(flags), folder.path()).wait().success();
    let events = log::events(&folder.path().join("run"));
    let report = log::report(&events);
    (report.classes.clone(), report.test.as_ref().unwrap().confusion.clone())
}

#[test]
fn three_folders_are_three_classes() {
    let (classes, confusion) = train(&[]);
    assert_eq!(classes, ["cats", "dogs", "lions"]);
    assert!(confusion.len() == 3 && confusion.iter().all(|row| row.len() == 3), "{confusion:?}");
}

#[test]
fn a_mapping_takes_the_folders_that_it_names_and_leaves_the_others() {
    let (classes, confusion) = train(&["--classes", "big=lions", "small=dogs"]);
    assert_eq!(classes, ["big", "small"]);
    assert!(confusion.len() == 2 && confusion.iter().all(|row| row.len() == 2), "{confusion:?}");
    let (classes, together) = train(&["--classes", "cat=cats,lions", "dog=dogs"]);
    assert_eq!(classes, ["cat", "dog"]);
    let pictures = |confusion: &[Vec<u64>]| confusion.iter().flatten().sum::<u64>();
    assert!(pictures(&together) > pictures(&confusion), "{together:?} {confusion:?}");
}

#[test]
fn a_mapping_to_a_folder_that_is_not_there_is_refused_with_the_nearest() {
    let pictures = Pictures::draw(20);
    let folder = tempfile::tempdir().unwrap();
    let data = pictures.data.to_str().unwrap();
    let flags = ["train", "--data", data, "--output", "run", "--classes", "cat=cts", "dog=dogs"];
    let job = Process::start("howdah-driver", flags, folder.path());
    job.wait().failure(1, &["`cat`", "`cts`", "is it `cats`?"]);
}
