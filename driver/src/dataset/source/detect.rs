use std::{collections::BTreeSet, sync::Arc};

use howdah_executor::source::{Library, ObjectRef};
use howdah_proto::settings::DataFormat;

use super::file_name;
use crate::{
    dataset::DatasetError,
    prepared::{MANIFEST, SAMPLES},
};

/// What has the magic of a tar file.
pub(in crate::dataset) const HEAD_BYTES: usize = 512;

/// Tells the format of a folder from the names in it, and which of them have pictures.
pub(super) fn of_folder(
    place: &str,
    forced: DataFormat,
    files: Vec<String>,
    folders: usize,
) -> Result<(DataFormat, Vec<String>), DatasetError> {
    let wrong = |reason: &str| DatasetError::Format { place: place.to_owned(), reason: reason.to_owned() };
    fn name(file: &str) -> &str {
        file.rsplit('/').next().unwrap_or(file)
    }
    let no_set = |reason: &str| DatasetError::Place { place: place.to_owned(), reason: reason.to_owned() };
    let prepared = files.iter().any(|file| file.ends_with(SAMPLES));
    if prepared && matches!(forced, DataFormat::Auto | DataFormat::Prepared) {
        return Err(no_set(if files.iter().any(|file| name(file) == MANIFEST) {
            "what `prepare` has written can be trained on, but has no pictures"
        } else {
            "a `prepare` was not finished here: there are shards, but no manifest.json. Prepare the pictures again"
        }));
    }
    if forced == DataFormat::Prepared {
        return Err(no_set("nothing was prepared here: there is no manifest.json"));
    }
    let of = |file: &String| by_name(name(file));
    let formats: BTreeSet<&str> = files.iter().filter_map(of).map(|(name, _)| name).collect();
    let format = match (forced, formats.len()) {
        (DataFormat::Auto, 0) => DataFormat::Folder,
        // Next to a folder for each class, other files don't matter.
        (DataFormat::Auto, _) if folders >= 2 => DataFormat::Folder,
        (DataFormat::Auto, 1) => files.iter().find_map(of).map_or(DataFormat::Folder, |(_, format)| format),
        (DataFormat::Auto, _) => return Err(wrong("has files of several formats")),
        (forced, _) => forced,
    };
    let files: Vec<String> =
        files.into_iter().filter(|file| of(file).is_some_and(|(_, known)| known == format)).collect();
    if format != DataFormat::Folder && files.is_empty() {
        return Err(wrong("has no file of that format"));
    }
    Ok((format, files))
}

/// Tells the format of files from their names, or else from what they begin with.
pub(super) fn of_objects(
    place: &str,
    forced: DataFormat,
    objects: &[Arc<ObjectRef>],
    library: &mut Library,
) -> Result<DataFormat, DatasetError> {
    let wrong = |reason: String| DatasetError::Format { place: place.to_owned(), reason };
    if forced != DataFormat::Auto {
        return Ok(forced);
    }
    let mut told = None;
    for object in objects {
        let name = file_name(object);
        if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            return Err(wrong(format!(
                "is packed ({name}), so that no picture in it can be read alone; unpack it"
            )));
        }
        let format = match by_name(name) {
            Some((_, format)) => format,
            None => {
                let length = object.bytes.min(HEAD_BYTES as u64) as usize;
                let head = library.object(object)?.read(0, length)?;
                by_content(&head).ok_or_else(|| wrong(format!("has no format that is known ({name})")))?
            }
        };
        if told.replace(format).is_some_and(|before| before != format) {
            return Err(wrong("has files of several formats".to_owned()));
        }
    }
    told.ok_or_else(|| wrong("has no file".to_owned()))
}

pub(in crate::dataset) fn by_name(name: &str) -> Option<(&'static str, DataFormat)> {
    let name = name.to_ascii_lowercase();
    let batch = name.strip_prefix("data_batch_").and_then(|rest| rest.strip_suffix(".bin"));
    if name.ends_with(".tar") {
        Some(("tar", DataFormat::Tar))
    } else if name.ends_with(".parquet") {
        Some(("parquet", DataFormat::Parquet))
    } else if name.contains("idx3-ubyte") {
        Some(("idx", DataFormat::Idx))
    } else if batch.is_some() || ["test_batch.bin", "train.bin", "test.bin"].contains(&name.as_str()) {
        Some(("cifar", DataFormat::Cifar))
    } else {
        None
    }
}

pub(in crate::dataset) fn by_content(head: &[u8]) -> Option<DataFormat> {
    if head.starts_with(b"PAR1") {
        Some(DataFormat::Parquet)
    } else if head.starts_with(&[0, 0, 8, 3]) {
        Some(DataFormat::Idx)
    } else if head.get(257..262) == Some(b"ustar") {
        Some(DataFormat::Tar)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[&str], folders: usize, forced: DataFormat) -> Result<(DataFormat, usize), String> {
        let files = files.iter().map(|file| format!("/data/{file}")).collect();
        let found = of_folder("/data", forced, files, folders);
        found.map(|(format, files)| (format, files.len())).map_err(|error| error.to_string())
    }

    #[test]
    fn the_names_in_a_folder_tell_its_format() {
        let auto = DataFormat::Auto;
        assert_eq!(of(&["a.tar", "b.tar", "README"], 0, auto), Ok((DataFormat::Tar, 2)));
        let mnist = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"];
        assert_eq!(of(&mnist, 0, auto), Ok((DataFormat::Idx, 1)));
        let cifar = ["data_batch_1.bin", "test_batch.bin", "batches.meta.txt"];
        assert_eq!(of(&cifar, 0, auto), Ok((DataFormat::Cifar, 2)));
        assert_eq!(of(&["train-00000-of-00001.parquet"], 1, auto), Ok((DataFormat::Parquet, 1)));
        assert_eq!(of(&["stray.tar"], 2, auto), Ok((DataFormat::Folder, 0)));
        assert_eq!(of(&["stray.tar"], 2, DataFormat::Tar), Ok((DataFormat::Tar, 1)));
        assert!(of(&["a.tar", "a.parquet"], 0, auto).unwrap_err().contains("--format"));
        assert!(of(&["a.tar"], 0, DataFormat::Idx).unwrap_err().contains("no file of that format"));
    }
}
