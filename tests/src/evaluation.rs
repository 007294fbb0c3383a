//! What `evaluate` says of models.

use std::fs;

use crate::{pictures::Pictures, process::Process};

/// Checks that `evaluate` finds the accuracy of a model that its cluster has found.
///
/// # Panics
/// It finds another.
pub fn assert_evaluates_to(accuracy: f64, model: &[u8], pictures: &Pictures) {
    let folder = tempfile::tempdir().expect("a folder for the model");
    let file = folder.path().join("model.safetensors");
    fs::write(&file, model).expect("room for the model");
    let flags = ["evaluate".as_ref(), "--model".as_ref(), file.as_os_str()];
    let data = ["--data".as_ref(), pictures.data.as_os_str()];
    let ended = Process::driver(flags.into_iter().chain(data)).wait().success();
    let line = ended.stdout.lines().find(|line| line.starts_with("accuracy")).expect("an accuracy");
    let percent = line.split_whitespace().nth(1).and_then(|percent| percent.parse::<f64>().ok());
    assert!(
        percent.is_some_and(|percent| (percent - 100.0 * accuracy).abs() < 0.01),
        "{line}, not {accuracy}"
    );
}
