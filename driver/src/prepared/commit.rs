use std::collections::{HashMap, HashSet};

use howdah_paramserver::stores::Folder;

use super::{MANIFEST, Manifest, PreparedError, SAMPLES};

/// Checks that a set can be written to a folder: that there is nothing in it.
///
/// # Errors
/// [`PreparedError::NotEmpty`] or [`PreparedError::Folder`].
pub async fn check_empty(location: &str) -> Result<(), PreparedError> {
    if Folder::open(location)?.list().await?.is_empty() {
        Ok(())
    } else {
        Err(PreparedError::NotEmpty(location.to_owned()))
    }
}

/// Makes a set whole by writing its manifest, once all its shards are seen to be there, and removes what attempts have
/// left that did not count.
///
/// # Errors
/// [`PreparedError`]; what can't be removed is no error.
pub async fn commit(location: &str, manifest: &Manifest) -> Result<(), PreparedError> {
    let folder = Folder::open(location)?;
    let there: HashMap<String, u64> = folder.list().await?.into_iter().collect();
    for shard in &manifest.shards {
        if there.get(&shard.file) != Some(&shard.bytes) {
            return Err(PreparedError::Unseen { file: format!("{location}/{}", shard.file) });
        }
    }
    let unfit = |error: serde_json::Error| PreparedError::Manifest {
        file: format!("{location}/{MANIFEST}"),
        reason: error.to_string(),
    };
    let content = serde_json::to_vec_pretty(manifest).map_err(unfit)?;
    folder.write(MANIFEST, content.into()).await?;
    let count: HashSet<&str> = manifest.shards.iter().map(|shard| shard.file.as_str()).collect();
    for file in there.keys().filter(|file| file.ends_with(SAMPLES) && !count.contains(file.as_str())) {
        if let Err(error) = folder.remove(file).await {
            tracing::warn!(%error, "what an attempt left that did not count could not be removed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::tests::manifest, *};

    #[tokio::test]
    async fn a_set_becomes_whole_when_all_its_shards_are_there_and_others_go() {
        let base = tempfile::tempdir().unwrap();
        let location = base.path().join("set").to_str().unwrap().to_owned();
        check_empty(&location).await.unwrap();
        let folder = Folder::open(&location).unwrap();
        let error = commit(&location, &manifest()).await.unwrap_err().to_string();
        assert!(error.contains("00000-1-0000.samples") && error.contains("--out must be"), "{error}");
        for shard in manifest().shards {
            folder.write(&shard.file, vec![0; shard.bytes as usize].into()).await.unwrap();
        }
        folder.write("00002-1-0000.samples", vec![1].into()).await.unwrap();
        folder.write("notes.txt", vec![1].into()).await.unwrap();
        commit(&location, &manifest()).await.unwrap();
        let names: Vec<String> = folder.list().await.unwrap().into_iter().map(|(name, _)| name).collect();
        let shards = manifest().shards.into_iter().map(|shard| shard.file);
        assert_eq!(names, shards.chain([MANIFEST.to_owned(), "notes.txt".to_owned()]).collect::<Vec<_>>());
        assert!(check_empty(&location).await.unwrap_err().to_string().contains("is not empty"));
    }
}
