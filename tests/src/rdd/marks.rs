//! Empty files in a folder by which functions tell a test, and each other, what has happened: they work across processes.

use std::{
    fs::{self, OpenOptions},
    io::ErrorKind,
    path::Path,
};

use crate::deadline::look_until;

/// Leaves another mark of this name, and tells the how manieth it is, from 1 on.
///
/// # Panics
/// The folder can't be written to.
pub fn leave(folder: &Path, name: &str) -> u32 {
    let made = (1..).find(|number| {
        match OpenOptions::new().write(true).create_new(true).open(folder.join(format!("{name}.{number}"))) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => panic!("{}: {error}", folder.display()),
        }
    });
    made.unwrap_or(u32::MAX)
}

/// How many marks of this name there are.
///
/// # Panics
/// The folder can't be read.
pub fn count(folder: &Path, name: &str) -> usize {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|found| found.rsplit_once('.').is_some_and(|(of, _)| of == name)).count()
}

/// Waits until there are so many marks of this name.
///
/// # Panics
/// There are not, within the deadline.
pub fn wait_for(folder: &Path, name: &str, marks: usize) {
    look_until(&format!("mark {marks} of `{name}`"), || (count(folder, name) >= marks).then_some(()));
}
