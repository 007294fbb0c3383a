//! Small sets of real picture files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use howdah_executor::vision::synthetic::write_set;
use tempfile::TempDir;

/// A folder for each of two classes, `cats` and `dogs`, with JPEG files in them; gone when this is dropped.
#[derive(Debug)]
pub struct Pictures {
    _folder: TempDir,
    /// The folder of the class folders.
    pub data: PathBuf,
}

impl Pictures {
    /// Draws so many pictures, as many cats as dogs.
    ///
    /// # Panics
    /// They can't be written.
    pub fn draw(pictures: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder for pictures");
        // A fifth of what is drawn is set aside as held out, and not used here.
        let set = write_set(folder.path(), pictures * 5 / 4, 7, |_| {}).expect("pictures can be drawn");
        Self { _folder: folder, data: set.train }
    }

    /// Makes another class out of the pictures of one that is there.
    ///
    /// # Panics
    /// They can't be copied.
    pub fn copy_class(&self, class: &str, copy: &str) {
        let to = self.data.join(copy);
        fs::create_dir(&to).expect("a folder for a class");
        for file in files(&self.data.join(class)) {
            fs::copy(&file, to.join(file.file_name().expect("a file has a name"))).expect("a copy");
        }
    }
}

/// The files in a folder, in the order of their names.
///
/// # Panics
/// The folder can't be read.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort_unstable();
    files
}
