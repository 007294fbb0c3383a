use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    vec,
};

use crate::dataset::source::{by_name, is_picture_name};

/// What is found below a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A picture, by its name.
    Picture(PathBuf),
    /// A file that has pictures in it, by its name: only where there is nothing else.
    Shard(PathBuf),
    /// A folder that can't be read, and why.
    Unreadable(PathBuf, String),
}

/// Goes through a folder and the folders below it in the order of paths. It holds the names of one folder on each level.
///
/// Links to folders are not followed, so that a loop of links ends; hidden folders are left out.
pub(super) struct Walk {
    open: Vec<Folder>,
    unreadable: Option<(PathBuf, String)>,
}

struct Folder {
    path: PathBuf,
    entries: vec::IntoIter<Entry>,
}

struct Entry {
    name: OsString,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    Picture,
    Shard,
}

impl Walk {
    pub(super) fn new(folder: &Path) -> Self {
        let mut walk = Self { open: Vec::new(), unreadable: None };
        walk.enter(folder.to_owned());
        walk
    }

    fn enter(&mut self, path: PathBuf) {
        match entries(&path) {
            Ok(entries) => self.open.push(Folder { path, entries: entries.into_iter() }),
            Err(error) => self.unreadable = Some((path, error.to_string())),
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some((path, reason)) = self.unreadable.take() {
                return Some(Found::Unreadable(path, reason));
            }
            let folder = self.open.last_mut()?;
            let Some(Entry { name, kind }) = folder.entries.next() else {
                self.open.pop();
                continue;
            };
            let path = folder.path.join(name);
            match kind {
                Kind::Folder => self.enter(path),
                Kind::Picture => return Some(Found::Picture(path)),
                Kind::Shard => return Some(Found::Shard(path)),
            }
        }
    }
}

fn entries(folder: &Path) -> std::io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_shard = || name.to_str().is_some_and(|name| !name.starts_with('.') && by_name(name).is_some());
        let kind = if entry.file_type()?.is_dir() {
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            Kind::Folder
        } else if is_picture_name(name.as_ref()) {
            Kind::Picture
        } else if is_shard() {
            Kind::Shard
        } else {
            continue;
        };
        entries.push(Entry { name, kind });
    }
    // Next to pictures and folders of them, other files don't matter.
    if entries.iter().any(|entry| entry.kind != Kind::Shard) {
        entries.retain(|entry| entry.kind != Kind::Shard);
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};

    use super::*;

    #[test]
    fn pictures_come_in_the_order_of_their_paths_and_links_to_folders_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        for path in
            ["b/z.jpg", "b.jpg", "b/a/1.png", "a-b/2.jpg", "a/3.JPG", ".git/4.jpg", "notes.txt", "x.tar"]
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let odd = root.path().join(std::ffi::OsStr::from_bytes(b"b/\xff.jpg"));
        fs::write(&odd, b"x").unwrap();
        symlink(root.path(), root.path().join("b/loop")).unwrap();
        let found: Vec<PathBuf> = Walk::new(root.path())
            .map(|found| match found {
                Found::Picture(path) => path,
                other => panic!("{other:?}"),
            })
            .collect();
        let mut sorted = found.clone();
        sorted.sort();
        assert_eq!((found.len(), &found), (6, &sorted));
        assert!(found.contains(&odd));
    }

    #[test]
    fn shards_are_found_where_there_is_nothing_else_and_a_folder_that_is_gone_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        for name in ["data/b.parquet", "data/a.parquet", "data/README"] {
            fs::write(root.path().join(name), b"x").unwrap();
        }
        let found: Vec<Found> = Walk::new(root.path()).collect();
        let shard = |name: &str| Found::Shard(root.path().join("data").join(name));
        assert_eq!(found, [shard("a.parquet"), shard("b.parquet")]);
        let gone = root.path().join("gone");
        let found: Vec<Found> = Walk::new(&gone).collect();
        assert!(matches!(&found[..], [Found::Unreadable(path, _)] if *path == gone), "{found:?}");
    }
}
