use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{Error, ObjectStore, ObjectStoreExt, path::Path};

use super::{Refusal, open_folder};

/// A folder whose files are written and read whole.
#[derive(Debug, Clone)]
pub struct Folder {
    store: Arc<dyn ObjectStore>,
    path: Path,
    location: String,
}

/// What can't be done with a folder or a file in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FolderError {
    /// The folder can't be opened.
    #[error("the folder {location} can't be used: {reason}")]
    Open {
        /// The path or URL.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// A file can't be read, written or removed, or the folder not listed.
    #[error("{location}/{file} can't be {action}: {reason}")]
    File {
        /// The folder.
        location: String,
        /// The file; empty for the folder.
        file: String,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl Folder {
    /// Opens a folder: an absolute path, which is made if it isn't there, or the URL of one in an object store.
    ///
    /// # Errors
    /// [`FolderError::Open`].
    pub fn open(location: &str) -> Result<Self, FolderError> {
        let (store, path) = open_folder(location)
            .map_err(|reason| FolderError::Open { location: location.to_owned(), reason })?;
        Ok(Self { store, path, location: location.trim_end_matches('/').to_owned() })
    }

    /// Writes a file, which appears under its name when it is whole.
    ///
    /// # Errors
    /// [`FolderError::File`].
    pub async fn write(&self, file: &str, content: Bytes) -> Result<(), FolderError> {
        let written = self.store.put(&self.path.clone().join(file), content.into()).await;
        written.map(drop).map_err(|error| self.failed(file, "written", &error))
    }

    /// Lists the files in the folder and below it, each with its length, in the order of their names.
    ///
    /// # Errors
    /// [`FolderError::File`].
    pub async fn list(&self) -> Result<Vec<(String, u64)>, FolderError> {
        let listed = self.store.list(Some(&self.path)).try_collect::<Vec<_>>().await;
        let listed = match listed {
            Err(Error::NotFound { .. }) => return Ok(Vec::new()),
            listed => listed.map_err(|error| self.failed("", "listed", &error))?,
        };
        let named = listed.iter().filter_map(|meta| {
            let parts = meta.location.prefix_match(&self.path)?;
            let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            Some((name, meta.size))
        });
        let mut files: Vec<_> = named.filter(|(name, _)| !name.is_empty()).collect();
        files.sort_unstable();
        Ok(files)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`FolderError::File`].
    pub async fn remove(&self, file: &str) -> Result<(), FolderError> {
        let removed = self.store.delete(&self.path.clone().join(file)).await;
        removed.map_err(|error| self.failed(file, "removed", &error))
    }

    fn failed(&self, file: &str, action: &'static str, error: &Error) -> FolderError {
        FolderError::File {
            location: self.location.clone(),
            file: file.to_owned(),
            action,
            reason: Refusal::of(error).reason(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_written_listed_and_removed() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path().join("a set").to_str().unwrap()).unwrap();
        assert_eq!(folder.list().await.unwrap(), []);
        folder.write("b", Bytes::from_static(b"four")).await.unwrap();
        folder.write("a", Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(folder.list().await.unwrap(), [("a".to_owned(), 3), ("b".to_owned(), 4)]);
        folder.remove("a").await.unwrap();
        assert_eq!(std::fs::read(base.path().join("a set/b")).unwrap(), b"four");
        let error = folder.remove("a").await.unwrap_err().to_string();
        assert!(error.contains("a set/a can't be removed"), "{error}");
    }
}
