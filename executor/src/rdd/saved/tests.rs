use std::fs;

use howdah_proto::{Attempt, JobId, Partition, StageId, TaskIndex};
use tempfile::TempDir;

use super::*;
use crate::rdd::narrow::testing::{failure, records, rows};

fn by(attempt: u32) -> AttemptId {
    AttemptId { job: JobId(1), stage: StageId(2), task: TaskIndex(0), attempt: Attempt(attempt) }
}

fn part(
    folder: &Path,
    partition: u32,
    attempt: u32,
    records: &[(u32, String)],
) -> Result<SavedPart, RddError> {
    write_part(folder, "job-1", Partition(partition), by(attempt), &mut rows(records, 2))
}

fn pairs(from: u32) -> Vec<(u32, String)> {
    (from..from + 5).map(|number| (number, number.to_string())).collect()
}

/// A complete folder of two parts, the second one empty.
fn saved() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("numbers");
    let parts = [part(&folder, 0, 1, &pairs(0)).unwrap(), part(&folder, 1, 1, &[]).unwrap()];
    commit(&folder, "job-1", &parts).unwrap();
    (root, folder)
}

fn message<T>(outcome: Result<T, RddError>) -> String {
    outcome.err().map(|error| error.to_string()).unwrap()
}

#[test]
fn what_is_saved_is_read_again() {
    let (_root, folder) = saved();
    assert_eq!(records::<(u32, String)>(open_part(&folder, Partition(0)).unwrap()), pairs(0));
    assert!(records::<(u32, String)>(open_part(&folder, Partition(1)).unwrap()).is_empty());
    assert_eq!(Manifest::open(&folder).unwrap().parts(), 2);
    assert!(message(open_part(&folder, Partition(2))).contains("2 parts and no part 2"));
}

#[test]
fn the_attempt_that_the_driver_chose_is_saved_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("numbers");
    let first = part(&folder, 0, 1, &pairs(0)).unwrap();
    part(&folder, 0, 2, &pairs(100)).unwrap();
    assert!(!folder.exists());
    commit(&folder, "job-1", &[first]).unwrap();
    assert_eq!(records::<(u32, String)>(open_part(&folder, Partition(0)).unwrap()), pairs(0));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_exists_is_never_touched() {
    let (_root, folder) = saved();
    assert!(message(part(&folder, 0, 3, &pairs(9))).ends_with("numbers: it exists already"));
    assert!(commit(&folder, "job-1", &[]).is_ok(), "the same commit comes twice");
    assert!(message(commit(&folder, "job-2", &[])).ends_with("it exists already"));
    assert_eq!(records::<(u32, String)>(open_part(&folder, Partition(0)).unwrap()), pairs(0));
}

#[test]
fn a_part_that_is_not_there_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("numbers");
    let second = part(&folder, 1, 1, &pairs(0)).unwrap();
    assert!(message(commit(&folder, "job-1", &[second])).contains("part 0 was not written"));
    let lost = SavedPart { partition: Partition(0), ..second };
    assert!(message(commit(&folder, "job-1", &[lost, second])).contains("part-00000.1-2-1.rows"));
    assert!(message(open_part(&folder, Partition(0))).contains("it has no manifest"));
    for _ in 0..2 {
        discard(&folder, "job-1").unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        // As one that broke off leaves it.
        fs::create_dir(root.path().join(".numbers.job-1.discarded")).unwrap();
    }
    discard(&folder, "job-1").unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    assert!(message(commit(&folder, "job-1", &[second])).contains("part 0 was not written"));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_was_changed_is_refused_at_every_byte() {
    let (_root, folder) = saved();
    for name in ["part-00000.rows", "MANIFEST"] {
        let path = folder.join(name);
        let whole = fs::read(&path).unwrap();
        // The token at the end of the manifest is no part of what is read.
        let end = if name == "MANIFEST" { whole.len() - "job-1".len() - 24 } else { whole.len() };
        for at in 0..end {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            if let Ok(rows) = open_part(&folder, Partition(0)) {
                assert!(failure(rows).contains(folder.to_str().unwrap()), "{name}, byte {at}");
            }
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(open_part(&folder, Partition(0)).is_err());
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_folder_of_something_else_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("MANIFEST"), "something else entirely").unwrap();
    assert!(message(Manifest::open(root.path())).contains("its manifest is not one of saved records"));
}
