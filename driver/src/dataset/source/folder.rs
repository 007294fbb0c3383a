use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use howdah_executor::source::modified_unix_ns;

use super::{
    folder_layout,
    own_split::{self, Layout},
};
use crate::dataset::{
    DatasetError, PictureFile,
    listing::{Listed, Listing},
};

const NOT_UTF8: &str = "its name is not UTF-8";
const LEADS_BACK: &str = "it is a link that leads back to the folder it is in, or to one above it";
const EXTENSIONS: [&str; 12] =
    ["jpg", "jpeg", "jpe", "png", "bmp", "gif", "webp", "tif", "tiff", "pgm", "ppm", "pnm"];

/// Whether a file's name looks like a picture's.
pub(in crate::dataset) fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// A folder with the pictures of a class.
struct ClassFolder {
    class: String,
    /// Its path below the folder of the set.
    relative: String,
    held_out: bool,
}

/// Lists the pictures of a folder for each class, or of one for each part of a split and in it one for each class.
///
/// Links to folders below a class are not followed, so that a loop of links ends.
pub(super) fn list(root: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Listed, DatasetError> {
    let (mut listing, mut skipped) = (Listing::default(), Vec::new());
    for ClassFolder { class, relative, held_out } in class_folders(root, &mut skipped)? {
        let label = listing.label(&class);
        if !is_wanted(&class) {
            continue;
        }
        let mut files = Vec::new();
        let mut open = vec![(root.join(&relative), relative)];
        while let Some((folder, relative)) = open.pop() {
            walk(folder, &relative, label, &mut open, &mut files, &mut skipped)?;
        }
        files.into_iter().for_each(|file| listing.push(file, held_out));
    }
    skipped.into_iter().for_each(|(name, reason)| listing.skip(name, reason));
    Ok(listing.finish())
}

/// The folders of classes: those in the set's folder or, where they are the parts of a split, those in each of them.
fn class_folders(root: &Path, skipped: &mut Vec<(String, String)>) -> Result<Vec<ClassFolder>, DatasetError> {
    let folders = subfolders(root, skipped)?;
    if folder_layout::layout(root, &folders)? == Layout::Split {
        let mut classes = Vec::new();
        for part in folders.iter().filter(|name| own_split::is_part(name)) {
            let held_out = own_split::is_held_out_folder(part);
            let below = subfolders(&root.join(part), skipped)?.into_iter();
            classes.extend(below.map(|class| ClassFolder {
                relative: format!("{part}/{class}"),
                class,
                held_out,
            }));
        }
        return Ok(classes);
    }
    let class_of = |class: String| ClassFolder { relative: class.clone(), class, held_out: false };
    Ok(folders.into_iter().map(class_of).collect())
}

/// The folders in a folder, in the order of their names; also links to folders, but for those that
/// lead back to it or to a folder above it, which would be a class of all pictures.
pub(super) fn subfolders(
    root: &Path,
    skipped: &mut Vec<(String, String)>,
) -> Result<Vec<String>, DatasetError> {
    let unreadable = |error: std::io::Error| DatasetError::Unreadable {
        folder: root.to_owned(),
        reason: error.to_string(),
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(unreadable)? {
        let path: PathBuf = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().filter(|_| path.is_dir()) else { continue };
        match name.to_str() {
            Some(name) if name.starts_with('.') => {}
            Some(_) if leads_back(&path, root) => {
                skipped.push((path.to_string_lossy().into_owned(), LEADS_BACK.to_owned()));
            }
            Some(name) => names.push(name.to_owned()),
            None => skipped.push((path.to_string_lossy().into_owned(), NOT_UTF8.to_owned())),
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether a folder is `root` or one above it, which only a link can be that is in `root`.
fn leads_back(path: &Path, root: &Path) -> bool {
    let (Ok(target), Ok(root)) = (path.canonicalize(), root.canonicalize()) else { return false };
    root.starts_with(target)
}

/// Finds the pictures in a folder and in the folders below it, in the order of their paths.
///
/// # Errors
/// [`DatasetError::Unreadable`].
pub fn pictures_below(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut open = vec![(folder.to_owned(), String::new())];
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    while let Some((folder, relative)) = open.pop() {
        walk(folder, &relative, 0, &mut open, &mut files, &mut skipped)?;
    }
    let mut paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
    // Those whose names or data can't be read get their error when they are.
    paths.extend(skipped.into_iter().map(|(path, _)| PathBuf::from(path)));
    paths.sort_unstable();
    Ok(paths)
}

pub(super) fn walk(
    folder: PathBuf,
    relative: &str,
    label: u32,
    open: &mut Vec<(PathBuf, String)>,
    files: &mut Vec<PictureFile>,
    skipped: &mut Vec<(String, String)>,
) -> Result<(), DatasetError> {
    let unreadable = |error: std::io::Error| DatasetError::Unreadable {
        folder: folder.clone(),
        reason: error.to_string(),
    };
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            match entry.file_name().to_str() {
                Some(name) if name.starts_with('.') => {}
                Some(name) => open.push((path, format!("{relative}/{name}"))),
                None => skipped.push((path.to_string_lossy().into_owned(), NOT_UTF8.to_owned())),
            }
            continue;
        }
        if !is_picture_name(&path) {
            continue;
        }
        let name = entry.file_name();
        let (Some(name), true) = (name.to_str(), path.to_str().is_some()) else {
            skipped.push((path.to_string_lossy().into_owned(), NOT_UTF8.to_owned()));
            continue;
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => files.push(PictureFile {
                relative: format!("{relative}/{name}"),
                label,
                bytes: metadata.len(),
                modified_unix_ns: modified_unix_ns(metadata.modified().unwrap_or(UNIX_EPOCH)),
                path,
                part: None,
            }),
            Ok(_) => {}
            Err(error) => skipped.push((path.to_string_lossy().into_owned(), error.to_string())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};

    use super::*;
    use crate::dataset::source::testing::labels;

    fn root(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        root
    }

    #[test]
    fn pictures_are_listed_below_their_class_and_links_to_folders_are_not_followed() {
        let root =
            root(&["cats/b.JPG", "cats/deep/a.png", "cats/notes.txt", "dogs/c.jpeg", ".git/d.jpg", "e.jpg"]);
        symlink(root.path(), root.path().join("cats/loop")).unwrap();
        symlink("loop2", root.path().join("cats/loop2")).unwrap();
        let listed = list(root.path(), |_| true).unwrap();
        assert_eq!(
            labels(&listed),
            [("cats/b.JPG", "cats"), ("cats/deep/a.png", "cats"), ("dogs/c.jpeg", "dogs")]
        );
        assert!(listed.skipped.is_empty(), "{:?}", listed.skipped);
        let dogs = list(root.path(), |name| name == "dogs").unwrap();
        assert_eq!((dogs.found.len(), dogs.names.len()), (1, 2));
    }

    #[test]
    fn folders_to_train_and_to_test_are_the_split_of_the_set_and_no_classes() {
        let root = root(&["train/cats/a.jpg", "train/dogs/b.jpg", "test/cats/a.jpg", "test/dogs/deep/c.jpg"]);
        fs::write(root.path().join("train/stray.jpg"), b"x").unwrap();
        fs::create_dir(root.path().join("labels")).unwrap();
        fs::write(root.path().join("labels/all.csv"), b"x").unwrap();
        symlink("..", root.path().join("test/loop")).unwrap();
        let listed = list(root.path(), |_| true).unwrap();
        let names = [
            ("test/cats/a.jpg", "cats"),
            ("test/dogs/deep/c.jpg", "dogs"),
            ("train/cats/a.jpg", "cats"),
            ("train/dogs/b.jpg", "dogs"),
        ];
        assert_eq!(labels(&listed), names);
        let held_out: Vec<bool> = listed.found.iter().map(|found| found.held_out).collect();
        assert_eq!((held_out, listed.skipped.len()), (vec![true, true, false, false], 1));
    }

    #[test]
    fn pictures_to_test_without_classes_beside_a_folder_to_train_are_refused_with_a_hint() {
        let root = root(&["train/cats/a.jpg", "train/dogs/b.jpg", "test/c.jpg"]);
        let error = list(root.path(), |_| true).unwrap_err().to_string();
        let hint = format!("--data {}/train", root.path().display());
        assert!(error.contains("`test`") && error.contains(&hint), "{error}");
    }

    #[test]
    fn classes_may_be_called_train_and_test() {
        let root = root(&["train/a.jpg", "test/b.jpg"]);
        let listed = list(root.path(), |_| true).unwrap();
        assert_eq!(labels(&listed), [("test/b.jpg", "test"), ("train/a.jpg", "train")]);
        assert!(listed.found.iter().all(|found| !found.held_out));
    }

    #[test]
    fn links_to_pictures_are_pictures_and_links_to_nothing_are_named() {
        let root = root(&["cats/a.jpg", "dogs/b.jpg"]);
        symlink(root.path().join("cats/a.jpg"), root.path().join("cats/link.jpg")).unwrap();
        symlink("nowhere", root.path().join("cats/broken.jpg")).unwrap();
        symlink("loop.jpg", root.path().join("cats/loop.jpg")).unwrap();
        symlink(root.path().join("dogs"), root.path().join("more")).unwrap();
        let listed = list(root.path(), |_| true).unwrap();
        let names = [
            ("cats/a.jpg", "cats"),
            ("cats/link.jpg", "cats"),
            ("dogs/b.jpg", "dogs"),
            ("more/b.jpg", "more"),
        ];
        assert_eq!(labels(&listed), names);
        let skipped: Vec<bool> =
            listed.skipped.iter().map(|(path, _)| path.ends_with("broken.jpg")).collect();
        assert_eq!((skipped.len(), skipped.iter().filter(|broken| **broken).count()), (2, 1));
    }

    #[test]
    fn a_link_that_leads_back_to_the_set_is_no_class_and_is_named() {
        let root = root(&["set/cats/a.jpg", "set/dogs/b.jpg", "else/c.jpg"]);
        let set = root.path().join("set");
        for (target, name) in [(".", "loop"), ("..", "above"), ("/", "top"), ("../else", "more")] {
            symlink(target, set.join(name)).unwrap();
        }
        let listed = list(&set, |_| true).unwrap();
        let names = [("cats/a.jpg", "cats"), ("dogs/b.jpg", "dogs"), ("more/c.jpg", "more")];
        assert_eq!((labels(&listed), listed.names.len()), (names.to_vec(), 3));
        let mut skipped = listed.skipped;
        skipped.sort_unstable();
        let expected = ["above", "loop", "top"]
            .map(|name| (set.join(name).to_string_lossy().into_owned(), LEADS_BACK.to_owned()));
        assert_eq!(skipped, expected);
    }

    #[test]
    fn names_that_are_not_utf8_are_left_out_and_named() {
        let root = root(&["a/1.jpg", "b/1.jpg"]);
        let odd = |name: &[u8]| std::ffi::OsStr::from_bytes(name).to_owned();
        fs::write(root.path().join("a").join(odd(b"\xff.jpg")), b"x").unwrap();
        fs::create_dir(root.path().join(odd(b"\xfe"))).unwrap();
        fs::create_dir(root.path().join("b").join(odd(b"\xfd"))).unwrap();
        let listed = list(root.path(), |_| true).unwrap();
        assert_eq!((listed.found.len(), listed.skipped.len()), (2, 3));
        assert!(listed.skipped.iter().all(|(_, reason)| reason == NOT_UTF8));
    }
}
