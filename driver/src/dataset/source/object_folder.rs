//! Folders of pictures in an object store, where there are only names.

use std::{collections::BTreeMap, sync::Arc};

use howdah_executor::source::{Library, Listed as Object, Place};

use super::{
    is_picture_name,
    own_split::{self, Depth, Layout},
};
use crate::dataset::{
    DatasetError,
    listing::{Listed, Listing, PartName},
};

/// Lists the pictures of a folder for each class, or of one for each part of a split and in it one for each class.
pub(super) fn list(
    url: &str,
    is_wanted: impl Fn(&str) -> bool,
    library: &mut Library,
) -> Result<Listed, DatasetError> {
    let mut listing = Listing::default();
    let mut pictures = library.list(url)?;
    pictures.retain(|Object { relative, .. }| {
        let hidden = relative.split('/').any(|part| part.starts_with('.'));
        !hidden && is_picture_name(relative.as_ref())
    });
    let mut folders: BTreeMap<String, Depth> = BTreeMap::new();
    for (folder, below) in pictures.iter().filter_map(|found| found.relative.split_once('/')) {
        let depth = if below.contains('/') { Depth::Folders } else { Depth::Pictures };
        match folders.get_mut(folder) {
            Some(deepest) => *deepest = depth.max(*deepest),
            None => drop(folders.insert(folder.to_owned(), depth)),
        }
    }
    let layout = own_split::layout(&folders).map_err(|half| DatasetError::half_split(url, half))?;
    for Object { object, relative } in pictures {
        let mut parts = relative.split('/');
        let held_out = layout == Layout::Split && parts.next().is_some_and(own_split::is_held_out_folder);
        // What lies beside the folders of classes is of none.
        let (Some(class), Some(_)) = (parts.next(), parts.next()) else { continue };
        let label = listing.label(class);
        if is_wanted(class) {
            let bytes = object.bytes;
            let name = PartName { relative, label, bytes };
            listing.push_part(&Arc::new(object), Place::Whole, name, held_out);
        }
    }
    Ok(listing.finish())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::dataset::source::testing::labels;

    fn listed(files: &[&str]) -> Listed {
        try_list(files).unwrap()
    }

    fn try_list(files: &[&str]) -> Result<Listed, DatasetError> {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut library = Library::new(Some(runtime.handle().clone()));
        list(&format!("file://{}", root.path().display()), |_| true, &mut library)
    }

    #[test]
    fn a_folder_is_a_class_unless_it_is_part_of_a_split() {
        let plain = listed(&["cats/deep/a.jpg", "dogs/b.jpg", "c.jpg", ".git/d.jpg", "dogs/notes.txt"]);
        assert_eq!(labels(&plain), [("cats/deep/a.jpg", "cats"), ("dogs/b.jpg", "dogs")]);
        assert!(plain.found.iter().all(|found| !found.held_out));

        let split = listed(&["train/cats/a.jpg", "train/dogs/b.jpg", "train/stray.jpg", "test/cats/a.jpg"]);
        let names = [("test/cats/a.jpg", "cats"), ("train/cats/a.jpg", "cats"), ("train/dogs/b.jpg", "dogs")];
        assert_eq!(labels(&split), names);
        assert_eq!(split.found.iter().map(|found| found.held_out).collect::<Vec<_>>(), [true, false, false]);

        let error = try_list(&["train/cats/a.jpg", "test/b.jpg"]).unwrap_err().to_string();
        assert!(
            error.contains("--data file://") && error.contains("/train, and what to hold out"),
            "{error}"
        );

        let classes = listed(&["train/a.jpg", "test/b.jpg"]);
        assert_eq!(labels(&classes), [("test/b.jpg", "test"), ("train/a.jpg", "train")]);
    }
}
