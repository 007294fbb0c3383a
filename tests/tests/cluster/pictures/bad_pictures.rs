//! Pictures that can't be used are named and left out, but not without end.

use std::{fs, path::PathBuf};

use howdah_proto::event::Event;
use howdah_tests::{
    log,
    pictures::{Pictures, files},
    process::Process,
};

/// A set with a picture that is cut off, one that is empty, and a text with the name of a picture.
fn damaged() -> (Pictures, [PathBuf; 3]) {
    let pictures = Pictures::draw(60);
    let (cats, dogs) = (pictures.data.join("cats"), pictures.data.join("dogs"));
    let (cut_off, empty, text) = (files(&cats)[3].clone(), files(&dogs)[5].clone(), dogs.join("diary.jpg"));
    let whole = fs::read(&cut_off).unwrap();
    fs::write(&cut_off, &whole[..whole.len() / 3]).unwrap();
    fs::write(&empty, b"").unwrap();
    fs::write(&text, "Today I drew a cat.").unwrap();
    (pictures, [cut_off, empty, text])
}

fn train(pictures: &Pictures, flags: &[&str], output: &tempfile::TempDir) -> Process {
    let data = pictures.data.to_str().unwrap();
    let fixed =
        ["train", "--data", data, "--output", "run", "--size", "16", "--hidden", "8", "--epochs", "2"];
    Process::start("howdah-driver", fixed.iter().chain(flags), output.path())
}

#[test]
fn pictures_that_cannot_be_used_are_named_and_left_out() {
    let (pictures, bad) = damaged();
    let folder = tempfile::tempdir().unwrap();
    let ended = train(&pictures, &[], &folder).wait().success();
    for path in &bad {
        let path = path.canonicalize().unwrap();
        assert!(ended.stderr.contains(&format!("left out {}: ", path.display())), "{}", ended.stderr);
    }
    let events = log::events(&folder.path().join("run"));
    assert_eq!(log::report(&events).skipped_pictures, 3);
    let skipped = events.iter().filter(|event| matches!(event, Event::PictureSkipped { .. }));
    assert_eq!(skipped.count(), 3);
}

#[test]
fn more_bad_pictures_than_allowed_fail_the_job_with_the_last_one_named() {
    let (pictures, _) = damaged();
    let folder = tempfile::tempdir().unwrap();
    let ended = train(&pictures, &["--max-bad-pictures", "1"], &folder).wait();
    let ended = ended.failure(1, &["more than 1 picture", ".jpg", "hint: raise --max-bad-pictures"]);
    assert!(!folder.path().join("run/model.safetensors").exists(), "{}", ended.stdout);
}

#[test]
fn a_set_without_any_usable_picture_fails() {
    let pictures = Pictures::draw(20);
    for class in ["cats", "dogs"] {
        for file in files(&pictures.data.join(class)) {
            fs::write(file, b"no picture").unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    train(&pictures, &[], &folder).wait().failure(1, &["no training picture can be used"]);
}
