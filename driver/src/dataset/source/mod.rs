//! Where pictures come from, one file for each format.

mod cifar;
mod detect;
mod folder;
mod folder_layout;
mod idx;
mod object_folder;
mod own_split;
mod parquet;
mod tar;

#[cfg(test)]
pub(in crate::dataset) mod testing;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::Path,
    sync::Arc,
};

use howdah_executor::source::{Library, ObjectRef, Place};
use howdah_proto::settings::DataFormat;

use super::{
    DatasetError,
    listing::Listed,
    place::{Content, find},
};

pub(in crate::dataset) use detect::{HEAD_BYTES, by_content, by_name};
pub(in crate::dataset) use folder::is_picture_name;
pub use folder::pictures_below;
pub(in crate::dataset) use own_split::HalfSplit;

/// A file or object with pictures, and whether the source holds out what is in it.
pub(super) struct Shard {
    pub(super) object: Arc<ObjectRef>,
    pub(super) held_out: bool,
}

/// Lists the pictures at a place. In a folder for each class, only those that a mapping wants are looked at.
pub(super) fn list(
    place: &Path,
    format: DataFormat,
    mapping: &BTreeMap<String, Vec<String>>,
    library: &mut Library,
) -> Result<Listed, DatasetError> {
    let wanted: BTreeSet<&str> = mapping.values().flatten().map(String::as_str).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(name);
    let Some(text) = place.to_str() else {
        return match format {
            // A folder may be called anything.
            DataFormat::Auto | DataFormat::Folder if place.is_dir() => folder::list(place, is_wanted),
            _ => Err(DatasetError::Place {
                place: place.to_string_lossy().into_owned(),
                reason: "its name is not UTF-8".to_owned(),
            }),
        };
    };
    let (format, objects) = match find(text, library)? {
        Content::Folder { files, folders } => {
            let (format, files) = detect::of_folder(text, format, files, folders)?;
            if format == DataFormat::Folder {
                return match text.contains("://") {
                    true => object_folder::list(text, is_wanted, library),
                    false => folder::list(place, is_wanted),
                };
            }
            let objects = files.iter().map(|file| library.look_up(file)).collect::<Result<Vec<_>, _>>()?;
            (format, objects)
        }
        Content::Objects(objects) => (detect::of_objects(text, format, &objects, library)?, objects),
    };
    let shards = own_split::of_files(objects);
    match format {
        DataFormat::Tar => tar::list(&shards, library),
        DataFormat::Parquet => parquet::list(&shards, library),
        DataFormat::Idx => idx::list(&shards, library),
        DataFormat::Cifar => cifar::list(&shards, library),
        DataFormat::Prepared => Err(DatasetError::Place {
            place: text.to_owned(),
            reason: "nothing was prepared here: it is no folder with a manifest.json".to_owned(),
        }),
        DataFormat::Folder | DataFormat::Auto => Err(DatasetError::Format {
            place: text.to_owned(),
            reason: "is a file, not a folder for each class".to_owned(),
        }),
    }
}

/// A picture of a set without regard to labels.
pub(super) struct Unlabelled {
    /// What it is called in the set.
    pub(super) name: String,
    /// Where in the file it is; or why it can't be used.
    pub(super) place: Result<Place, String>,
}

/// Finds the pictures in a file or object, in the order in which they lie there; labels needn't be there. Each is given
/// to `found`, which may have seen enough.
pub(super) fn unlabelled(
    format: DataFormat,
    object: &Arc<ObjectRef>,
    library: &mut Library,
    found: &mut dyn FnMut(Unlabelled) -> ControlFlow<()>,
) -> Result<(), DatasetError> {
    let shard = || [Shard { object: object.clone(), held_out: false }];
    match format {
        DataFormat::Tar => tar::unlabelled(object, library, found),
        DataFormat::Parquet => parquet::unlabelled(object, library, found),
        DataFormat::Idx => give(idx::list(&shard(), library)?, found),
        DataFormat::Cifar => give(cifar::list(&shard(), library)?, found),
        DataFormat::Folder | DataFormat::Auto | DataFormat::Prepared => Ok(()),
    }
}

/// Gives the pictures of formats that can't be without labels.
fn give(listed: Listed, found: &mut dyn FnMut(Unlabelled) -> ControlFlow<()>) -> Result<(), DatasetError> {
    for picture in listed.found {
        let Some(part) = picture.file.part else { continue };
        if found(Unlabelled { name: picture.file.relative, place: Ok(part.place) }).is_break() {
            break;
        }
    }
    Ok(())
}

/// The name of a file or object, without the folders before it.
fn file_name(object: &ObjectRef) -> &str {
    object.location.rsplit('/').next().unwrap_or(&object.location)
}

fn malformed(object: &ObjectRef, format: DataFormat, reason: impl Into<String>) -> DatasetError {
    DatasetError::Malformed { object: object.location.clone(), format, reason: reason.into() }
}
