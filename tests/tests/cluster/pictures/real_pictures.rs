//! Photographs train as drawn pictures do, where there are some beside the workspace.

use std::{fs, path::Path};

use howdah_tests::{log, pictures::files, process::Process};

const PHOTOGRAPHS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/cats-dogs/train");
const OF_EACH_CLASS: usize = 20;

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn an_epoch_over_real_photographs_uses_all_of_them() {
    let photographs = Path::new(PHOTOGRAPHS);
    if !photographs.is_dir() {
        return eprintln!("skipped: there are no photographs in {PHOTOGRAPHS}");
    }
    let folder = tempfile::tempdir().unwrap();
    for class in ["cats", "dogs"] {
        let to = folder.path().join("photographs").join(class);
        fs::create_dir_all(&to).unwrap();
        for file in files(&photographs.join(class)).iter().take(OF_EACH_CLASS) {
            fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    let flags = ["train", "--data", "photographs", "--output", "run", "--epochs", "1", "--size", "32"];
    Process::start("howdah-driver", flags, folder.path()).wait().success();
    let events = log::events(&folder.path().join("run"));
    let report = log::report(&events);
    assert_eq!((report.classes.len(), report.skipped_pictures), (2, 0));
}
