//! Where the binaries are.

use std::path::PathBuf;

/// Finds a binary of this build, beside the folder of the test that runs.
///
/// # Panics
/// It has not been built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    // target/<profile>/deps/<test>
    let profile = test.parent().and_then(|deps| deps.parent()).expect("a test is in target/<profile>/deps");
    let path = profile.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --workspace` first, or all tests with `cargo test --workspace`",
        path.display()
    );
    path
}
