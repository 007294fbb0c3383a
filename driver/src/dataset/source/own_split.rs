//! Which pictures a set itself holds out: those in files or folders that are called so, next to others.

use std::sync::Arc;

use howdah_executor::source::ObjectRef;

use super::{Shard, file_name};

/// How names begin of what is held out, in small letters.
const HELD_OUT: [&str; 4] = ["t10k", "test", "val", "dev"];
/// How names begin of what is trained on.
const TRAINING: &str = "train";

/// Tells which files are held out.
pub(super) fn of_files(objects: Vec<Arc<ObjectRef>>) -> Vec<Shard> {
    let held_out = |object: &Arc<ObjectRef>| is_held_out(file_name(object));
    let some_are_not = objects.iter().any(|object| !held_out(object));
    let shard = |object| Shard { held_out: some_are_not && held_out(&object), object };
    objects.into_iter().map(shard).collect()
}

/// Whether all folders of a set are parts of a split, with a folder for each class in each of them, and no classes
/// themselves.
pub(super) fn is_of_folders<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let (mut training, mut held_out) = (false, false);
    for name in names {
        match (name.to_ascii_lowercase().starts_with(TRAINING), is_held_out(name)) {
            (true, _) => training = true,
            (_, true) => held_out = true,
            _ => return false,
        }
    }
    training && held_out
}

/// Whether a file or folder is called like one that is held out.
pub(super) fn is_held_out(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HELD_OUT.iter().any(|start| name.starts_with(start))
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

    #[test]
    fn folders_are_a_split_if_all_are_called_so_and_there_are_both_kinds() {
        for names in [&["train", "test"][..], &["Training_set", "test_set"], &["test", "train", "validation"]]
        {
            assert!(is_of_folders(names.iter().copied()), "{names:?}");
        }
        for names in [&["cats", "dogs"][..], &["car", "test", "train"], &["test", "val"], &["train"], &[]] {
            assert!(!is_of_folders(names.iter().copied()), "{names:?}");
        }
    }
}
