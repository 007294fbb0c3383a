use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use howdah_executor::source::{Library, ObjectRef, Part, Place, ReadError};

use super::{MANIFEST, Manifest, PreparedError};
use crate::dataset::PictureFile;

/// The largest manifest that is read: the parameters of a pipeline, and a hundred thousand shards and more.
const LARGEST_MANIFEST_BYTES: u64 = 256 << 20;

/// A prepared set whose shards are all there, each as long as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedSet {
    /// What is in it.
    pub manifest: Manifest,
    /// The shards, as files that executors read.
    pub files: Vec<PictureFile>,
}

/// Reads the manifest of the prepared set at a place: its folder, or the manifest itself; none if there is no such set.
///
/// # Errors
/// [`PreparedError`], naming the file.
pub fn manifest_at(place: &Path, library: &mut Library) -> Result<Option<Manifest>, PreparedError> {
    let Some(file) = place.to_str().and_then(manifest_file) else { return Ok(None) };
    let known = match library.look_up(&file) {
        Ok(known) => known,
        // Whatever else is asked of the store, it would be as silent.
        Err(error @ ReadError::Unanswered { .. }) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    if known.bytes > LARGEST_MANIFEST_BYTES {
        let reason = format!("it has {} bytes", known.bytes);
        return Err(PreparedError::Manifest { file, reason });
    }
    let length = usize::try_from(known.bytes).unwrap_or(usize::MAX);
    let content = library.object(&known)?.read(0, length)?;
    Manifest::read(&file, &content)
}

/// Where the manifest of a set at this place would be; none if it can't be a folder.
fn manifest_file(place: &str) -> Option<String> {
    if place.rsplit('/').next() == Some(MANIFEST) {
        return Some(place.to_owned());
    }
    let is_folder = if place.contains("://") {
        // Asking for one more object is cheap, but not below what is a file by its name.
        !place.contains(['{', '*', '?']) && !place.ends_with(".tar") && !place.ends_with(".parquet")
    } else {
        Path::new(place).is_dir()
    };
    is_folder.then(|| format!("{}/{MANIFEST}", place.trim_end_matches('/')))
}

/// Finds the prepared set at a place; none if there is none.
///
/// # Errors
/// [`PreparedError`], naming the file.
pub fn find(place: &Path, library: &mut Library) -> Result<Option<PreparedSet>, PreparedError> {
    manifest_at(place, library)?.map(|manifest| open(place, manifest, library)).transpose()
}

/// Looks up the shards that a manifest names.
///
/// # Errors
/// [`PreparedError`], naming the shard.
pub fn open(place: &Path, manifest: Manifest, library: &mut Library) -> Result<PreparedSet, PreparedError> {
    let place = place.to_string_lossy();
    let folder = place.strip_suffix(MANIFEST).unwrap_or(&place).trim_end_matches('/');
    // One question instead of many, where a store can be asked so.
    let listed: HashMap<String, ObjectRef> = match folder.contains("://") {
        true => {
            let listed = library.list(folder).unwrap_or_default();
            listed.into_iter().map(|listed| (listed.relative, listed.object)).collect()
        }
        false => HashMap::new(),
    };
    let mut files = Vec::with_capacity(manifest.shards.len());
    for shard in &manifest.shards {
        let file = format!("{folder}/{}", shard.file);
        let known = match listed.get(&shard.file) {
            Some(known) => Arc::new(known.clone()),
            None => library.look_up(&file).map_err(|error| missing(&file, &error))?,
        };
        if known.bytes != shard.bytes {
            let reason = format!(
                "it has {} bytes, {MANIFEST} says {}: it is cut off, or another file",
                known.bytes, shard.bytes
            );
            return Err(PreparedError::Shard { file, reason });
        }
        files.push(PictureFile {
            path: PathBuf::from(&file),
            relative: shard.file.clone(),
            label: 0,
            bytes: shard.bytes,
            modified_unix_ns: known.modified_unix_ns,
            part: Some(Part { object: known, place: Place::Whole }),
        });
    }
    Ok(PreparedSet { manifest, files })
}

fn missing(file: &str, error: &ReadError) -> PreparedError {
    let reason = match error {
        ReadError::Absent { reason, .. } => {
            format!("{MANIFEST} names this shard, but it can't be read: {reason}")
        }
        other => other.to_string(),
    };
    PreparedError::Shard { file: file.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::manifest::tests::manifest, *};

    fn set() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for shard in manifest().shards {
            fs::write(folder.path().join(shard.file), vec![0; shard.bytes as usize]).unwrap();
        }
        fs::write(folder.path().join(MANIFEST), serde_json::to_vec(&manifest()).unwrap()).unwrap();
        folder
    }

    fn found(place: &Path) -> Result<Option<PreparedSet>, String> {
        find(place, &mut Library::new(None)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_set_is_found_by_its_folder_and_by_its_manifest() {
        let folder = set();
        for place in [folder.path().to_owned(), folder.path().join(MANIFEST)] {
            let set = found(&place).unwrap().unwrap();
            assert_eq!((set.files.len(), set.manifest), (3, manifest()));
            assert_eq!(set.files[1].path, folder.path().join("00001-1-0000.samples"));
        }
    }

    #[test]
    fn other_folders_are_no_sets() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(found(folder.path()), Ok(None));
        fs::write(folder.path().join(MANIFEST), r#"{"name": "app"}"#).unwrap();
        assert_eq!(found(folder.path()), Ok(None));
        assert_eq!(found(Path::new("/nowhere")), Ok(None));
    }

    #[test]
    fn a_shard_that_is_missing_or_cut_off_is_named() {
        let folder = set();
        let path = folder.path().join("00001-1-0000.samples");
        fs::write(&path, b"short").unwrap();
        let error = found(folder.path()).unwrap_err();
        assert!(
            error.contains("00001-1-0000.samples: it has 5 bytes") && error.contains("cut off"),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        let error = found(folder.path()).unwrap_err();
        assert!(error.contains("00001-1-0000.samples: manifest.json names this shard"), "{error}");
    }
}
