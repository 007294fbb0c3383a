//! The same steps in Pillow and OpenCV.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pictures/pillow_opencv.py");

/// Runs them if `HOWDAH_PYTHON` names a Python that has both; pictures per second, by name.
pub fn run(paths: &[PathBuf]) -> Vec<(String, f64)> {
    let Some(python) = std::env::var_os("HOWDAH_PYTHON") else { return Vec::new() };
    let mut child = Command::new(python)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("HOWDAH_PYTHON names a Python");
    let mut input = child.stdin.take().expect("standard input");
    for path in paths {
        writeln!(input, "{}", path.display()).expect("the script reads");
    }
    drop(input);
    let output = child.wait_with_output().expect("the script's output");
    assert!(output.status.success(), "the script failed");
    let figure = |line: &str| {
        let (rate, name) = line.split_once(' ')?;
        Some((name.to_owned(), rate.parse().ok()?))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(figure).collect()
}
