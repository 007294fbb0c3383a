//! Which pictures a set itself holds out: those in files or folders that are called so, next to others.

use std::{collections::BTreeMap, sync::Arc};

use howdah_executor::source::ObjectRef;

use super::{Shard, file_name};

/// How names of files begin that are held out, in small letters.
const HELD_OUT_FILES: [&str; 4] = ["t10k", "test", "val", "dev"];
/// How folders are called that are trained on, and that are held out; also with `set` after it.
const TRAINING_FOLDERS: [&str; 2] = ["train", "training"];
const HELD_OUT_FOLDERS: [&str; 7] = ["test", "testing", "val", "valid", "validation", "dev", "t10k"];

/// What lies in a folder of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// No picture.
    Nothing,
    /// Pictures alone.
    Pictures,
    /// Folders with pictures, and perhaps pictures.
    Folders,
}

/// What the folders of a set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each is a class.
    Classes,
    /// Each is a part of a split, with a folder for each class.
    Split,
}

/// A set that is a split but for one of its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dataset) struct HalfSplit {
    /// The folder that is trained on.
    pub(in crate::dataset) training: String,
    /// The one that doesn't fit.
    pub(in crate::dataset) other: String,
}

/// Tells which files are held out.
pub(super) fn of_files(objects: Vec<Arc<ObjectRef>>) -> Vec<Shard> {
    let held_out = |object: &Arc<ObjectRef>| is_held_out(file_name(object));
    let some_are_not = objects.iter().any(|object| !held_out(object));
    let shard = |object| Shard { held_out: some_are_not && held_out(&object), object };
    objects.into_iter().map(shard).collect()
}

/// Whether folders may be parts of a split, as far as their names go.
pub(super) fn may_be_split<'a>(names: impl IntoIterator<Item = &'a str> + Clone) -> bool {
    names.clone().into_iter().any(is_training_folder) && names.into_iter().any(is_held_out_folder)
}

/// Tells what the folders of a set are, from what lies in them.
pub(super) fn layout(folders: &BTreeMap<String, Depth>) -> Result<Layout, HalfSplit> {
    let mut folders = folders.iter().filter(|(_, depth)| **depth != Depth::Nothing);
    if !may_be_split(folders.clone().map(|(name, _)| name.as_str())) {
        return Ok(Layout::Classes);
    }
    let has_classes = |(name, depth): &(&String, &Depth)| **depth == Depth::Folders && is_part(name);
    let Some((training, _)) = folders.clone().find(|of| is_training_folder(of.0) && has_classes(of)) else {
        return Ok(Layout::Classes);
    };
    match folders.find(|of| !has_classes(of)) {
        None => Ok(Layout::Split),
        Some((other, _)) => Err(HalfSplit { training: training.clone(), other: other.clone() }),
    }
}

/// Whether a folder is called like a part of a split.
pub(super) fn is_part(name: &str) -> bool {
    is_training_folder(name) || is_held_out_folder(name)
}

fn is_training_folder(name: &str) -> bool {
    TRAINING_FOLDERS.contains(&plain(name).as_str())
}

/// Whether a folder of a split is held out.
pub(super) fn is_held_out_folder(name: &str) -> bool {
    HELD_OUT_FOLDERS.contains(&plain(name).as_str())
}

/// In small letters, without a `set` at the end.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix("set").map_or(name.as_str(), |name| name.trim_end_matches(['_', '-', ' '])).to_owned()
}

fn is_held_out(file: &str) -> bool {
    let name = file.to_ascii_lowercase();
    HELD_OUT_FILES.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_called_test_are_held_out_next_to_others() {
        let split = |names: &[&str]| {
            let object = |name: &&str| ObjectRef {
                location: format!("/data/{name}"),
                bytes: 0,
                modified_unix_ns: 0,
                etag: None,
            };
            let objects = names.iter().map(|name| Arc::new(object(name))).collect();
            of_files(objects).iter().map(|shard| shard.held_out).collect::<Vec<_>>()
        };
        assert_eq!(split(&["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"]), [false, true]);
        assert_eq!(split(&["test-0.tar", "test-1.tar"]), [false, false]);
    }

    fn of(folders: &[(&str, Depth)]) -> Result<Layout, (String, String)> {
        let folders = folders.iter().map(|(name, depth)| ((*name).to_owned(), *depth)).collect();
        layout(&folders).map_err(|HalfSplit { training, other }| (training, other))
    }

    #[test]
    fn folders_are_a_split_if_all_with_pictures_are_called_so_and_have_the_classes_in_them() {
        use Depth::{Folders, Nothing, Pictures};
        for names in [&["train", "test"][..], &["Training_set", "test_set"], &["test", "train", "validation"]]
        {
            let folders: Vec<_> = names.iter().map(|name| (*name, Folders)).collect();
            assert_eq!(of(&folders), Ok(Layout::Split), "{names:?}");
        }
        assert_eq!(of(&[("train", Folders), ("test", Folders), ("labels", Nothing)]), Ok(Layout::Split));
        for names in [&["cats", "dogs"][..], &["car", "train"], &["test", "val"], &["valley", "train"], &[]] {
            let folders: Vec<_> = names.iter().map(|name| (*name, Folders)).collect();
            assert_eq!(of(&folders), Ok(Layout::Classes), "{names:?}");
        }
        assert_eq!(of(&[("train", Pictures), ("test", Pictures)]), Ok(Layout::Classes));
        assert_eq!(of(&[("train", Folders), ("test", Nothing)]), Ok(Layout::Classes));
    }

    #[test]
    fn what_is_nearly_a_split_is_neither_that_nor_classes() {
        use Depth::{Folders, Pictures};
        let half = |other: &str| Err(("train".to_owned(), other.to_owned()));
        assert_eq!(of(&[("train", Folders), ("test", Pictures)]), half("test"));
        assert_eq!(of(&[("train", Folders), ("test", Folders), ("samples", Pictures)]), half("samples"));
        assert_eq!(of(&[("train", Folders), ("test", Folders), ("masks", Folders)]), half("masks"));
    }
}
