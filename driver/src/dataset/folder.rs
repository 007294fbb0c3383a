use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::{DatasetError, PictureFile, classes::ClassMap};

const EXTENSIONS: [&str; 12] =
    ["jpg", "jpeg", "jpe", "png", "bmp", "gif", "webp", "tif", "tiff", "pgm", "ppm", "pnm"];

/// Whether a file's name looks like a picture's.
fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// Lists the pictures below the class folders of `root`, in the order of their relative paths.
///
/// Links to folders are not followed, so that a loop of links ends.
pub(super) fn pictures(
    root: &Path,
    classes: &ClassMap,
    skipped: &mut Vec<(String, String)>,
) -> Result<Vec<PictureFile>, DatasetError> {
    let mut files = Vec::new();
    for (folder, label) in classes.folders() {
        let mut open = vec![(root.join(folder), folder.clone())];
        while let Some((folder, relative)) = open.pop() {
            walk(folder, &relative, *label, &mut open, &mut files, skipped)?;
        }
    }
    files.sort_unstable_by(|a, b| a.relative.cmp(&b.relative));
    Ok(files)
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

fn walk(
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
            if let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.')) {
                open.push((path, format!("{relative}/{name}")));
            }
            continue;
        }
        if !is_picture_name(&path) {
            continue;
        }
        let name = entry.file_name();
        let (Some(name), true) = (name.to_str(), path.to_str().is_some()) else {
            skipped.push((path.to_string_lossy().into_owned(), "its name is not UTF-8".to_owned()));
            continue;
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => files.push(PictureFile {
                relative: format!("{relative}/{name}"),
                label,
                bytes: metadata.len(),
                modified_unix_ns: modified_unix_ns(&metadata),
                path,
            }),
            Ok(_) => {}
            Err(error) => skipped.push((path.to_string_lossy().into_owned(), error.to_string())),
        }
    }
    Ok(())
}

fn modified_unix_ns(metadata: &fs::Metadata) -> i64 {
    howdah_executor::source::modified_unix_ns(metadata.modified().unwrap_or(UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn pictures_are_listed_below_their_class_and_links_to_folders_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        for path in ["cats/b.JPG", "cats/deep/a.png", "cats/notes.txt", "dogs/c.jpeg"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("cats/loop")).unwrap();
        let classes = ClassMap::of_folder(root.path(), &BTreeMap::new()).unwrap();
        let mut skipped = Vec::new();
        let files = pictures(root.path(), &classes, &mut skipped).unwrap();
        let names: Vec<_> = files.iter().map(|file| (file.relative.as_str(), file.label)).collect();
        assert_eq!(names, [("cats/b.JPG", 0), ("cats/deep/a.png", 0), ("dogs/c.jpeg", 1)]);
        assert!(skipped.is_empty());
    }

    #[test]
    fn a_name_that_is_not_utf8_is_skipped_and_named() {
        use std::os::unix::ffi::OsStrExt;
        let root = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            fs::create_dir(root.path().join(class)).unwrap();
        }
        fs::write(root.path().join("a").join(std::ffi::OsStr::from_bytes(b"\xff.jpg")), b"x").unwrap();
        let classes = ClassMap::of_folder(root.path(), &BTreeMap::new()).unwrap();
        let mut skipped = Vec::new();
        assert!(pictures(root.path(), &classes, &mut skipped).unwrap().is_empty());
        assert_eq!(skipped.len(), 1);
    }
}
