mod drop;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use howdah_paramserver::stores::open_url;
use howdah_proto::SnapshotId;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutOptions, local::LocalFileSystem, path::Path};

use super::{
    Location, MANIFEST, Manifest, SavedFile, SnapshotError,
    location::{folder, id_of},
};

/// The largest manifest that is read: one of 4,096 shards and a hundred thousand tasks is smaller.
const LARGEST_MANIFEST_BYTES: u64 = 64 << 20;

/// How many files are looked at at a time.
const CONCURRENT_LOOKS: usize = 16;

/// How long a store may take to say what is there, or for a manifest: a request to one is tried again for three minutes.
const ANSWERED: Duration = Duration::from_secs(300);

/// Where the snapshots of a run are kept: a folder of this machine, or an object store.
#[derive(Debug)]
pub struct Store {
    location: Location,
    store: Arc<dyn ObjectStore>,
    root: Path,
}

/// The newest whole snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Newest {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its folder, as a URL.
    pub folder: String,
    /// The highest number that a folder of a snapshot has, whole or not. Servers may still write into those above this one.
    pub last: SnapshotId,
}

/// What there is at a place before a run takes snapshots there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Whether a snapshot is whole.
    pub has_whole: bool,
    /// The highest number that a folder of a snapshot has, whole or not; 0 if there is none.
    pub last: SnapshotId,
}

impl Store {
    /// Opens a location; credentials come from the environment.
    ///
    /// # Errors
    /// [`SnapshotError::Location`].
    pub fn open(location: &str) -> Result<Self, SnapshotError> {
        let at = Location::parse(location)?;
        let unfit = |reason: String| SnapshotError::Location { location: location.to_owned(), reason };
        let (store, root) = open_url(at.url()).map_err(unfit)?;
        let store: Arc<dyn ObjectStore> = if at.url().scheme() == "file" {
            Arc::new(LocalFileSystem::new().with_fsync(true))
        } else {
            store
        };
        Ok(Self { location: at, store, root })
    }

    /// Reads the newest whole snapshot. Folders without a manifest are passed over.
    ///
    /// # Errors
    /// [`SnapshotError`], naming the file. A manifest that makes no sense is an error: an older snapshot would lose
    /// work that the user believes to be safe.
    pub async fn newest(&self) -> Result<Newest, SnapshotError> {
        self.answered(self.read_newest()).await
    }

    async fn read_newest(&self) -> Result<Newest, SnapshotError> {
        let ids = self.ids().await?;
        for id in ids.iter().copied().rev() {
            let file = format!("{}/{MANIFEST}", self.location.snapshot(id));
            let Some(content) = self.read(&self.manifest(id), &file).await? else { continue };
            let manifest = Manifest::read(&file, &content)?;
            if manifest.snapshot != id {
                let reason = format!("it says that it is of snapshot {}", manifest.snapshot);
                return Err(SnapshotError::Manifest { file, reason });
            }
            self.check(&manifest).await?;
            let last = ids.last().copied().unwrap_or(id);
            return Ok(Newest { manifest, folder: self.location.snapshot(id), last });
        }
        Err(SnapshotError::None(self.location.url().to_string()))
    }

    /// Looks at what is there, for a run that goes on from none of it. A manifest counts, whatever it says.
    ///
    /// # Errors
    /// [`SnapshotError::Store`], naming the file or folder.
    pub async fn find(&self) -> Result<Found, SnapshotError> {
        self.answered(self.look()).await
    }

    async fn look(&self) -> Result<Found, SnapshotError> {
        let ids = self.ids().await?;
        let last = ids.last().copied().unwrap_or_default();
        for id in ids.into_iter().rev() {
            if self.bytes(id, MANIFEST).await?.is_some() {
                return Ok(Found { has_whole: true, last });
            }
        }
        Ok(Found { has_whole: false, last })
    }

    /// Makes sure that the files of the shards are there, and as long as they were.
    async fn check(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let mut checks = Vec::with_capacity(manifest.shards.len());
        for saved in &manifest.shards {
            checks.push(self.check_file(manifest.snapshot, saved));
        }
        stream::iter(checks).buffered(CONCURRENT_LOOKS).try_collect().await
    }

    /// Makes sure that what the servers have written is in this place, and not in one that has its name on their machine.
    async fn check_written(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        // A network's file system remembers that the folder wasn't there until the one that it is in is read again.
        self.ids().await?;
        self.check(manifest).await.map_err(|error| match error {
            SnapshotError::Damaged { file, reason } => SnapshotError::Unseen { file, reason },
            other => other,
        })
    }

    async fn check_file(&self, id: SnapshotId, saved: &SavedFile) -> Result<(), SnapshotError> {
        let reason = match self.bytes(id, &saved.file).await? {
            Some(bytes) if bytes == saved.bytes => return Ok(()),
            Some(bytes) => format!("it has {bytes} bytes, and {} were saved", saved.bytes),
            None => "it is missing".to_owned(),
        };
        let file = format!("{}/{}", self.location.snapshot(id), saved.file);
        Err(SnapshotError::Damaged { file, reason })
    }

    /// How long a file of a snapshot is, if it is there.
    async fn bytes(&self, id: SnapshotId, name: &str) -> Result<Option<u64>, SnapshotError> {
        match self.store.head(&self.root.clone().join(folder(id)).join(name)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => {
                let file = format!("{}/{name}", self.location.snapshot(id));
                Err(SnapshotError::Store { file, reason: error.to_string() })
            }
        }
    }

    /// Makes sure that nothing is where the files of a snapshot will go: a run of another driver may number its own alike.
    ///
    /// # Errors
    /// [`SnapshotError::Shared`], or [`SnapshotError::Store`].
    pub async fn check_free(&self, id: SnapshotId) -> Result<(), SnapshotError> {
        let files = self.root.clone().join(folder(id));
        let looked = async {
            match self.store.list(Some(&files)).next().await {
                None | Some(Err(object_store::Error::NotFound { .. })) => Ok(()),
                Some(Ok(_)) => Err(SnapshotError::Shared(self.location.url().to_string())),
                Some(Err(error)) => {
                    let file = self.location.snapshot(id);
                    Err(SnapshotError::Store { file, reason: error.to_string() })
                }
            }
        };
        self.answered(looked).await
    }

    /// Makes a snapshot whole by writing its manifest, if its files are there, and drops all older ones but `keep`.
    ///
    /// # Errors
    /// [`SnapshotError::Unseen`], or [`SnapshotError::Store`]; older ones that can't be found or dropped are no error.
    pub async fn commit(&self, manifest: &Manifest, keep: Option<SnapshotId>) -> Result<(), SnapshotError> {
        self.answered(self.write_manifest(manifest)).await?;
        self.drop_before(manifest.snapshot, keep).await;
        Ok(())
    }

    async fn write_manifest(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        self.check_written(manifest).await?;
        let id = manifest.snapshot;
        let file = format!("{}/{MANIFEST}", self.location.snapshot(id));
        let failed = |reason: String| SnapshotError::Store { file: file.clone(), reason };
        let content = serde_json::to_vec_pretty(manifest).map_err(|error| failed(error.to_string()))?;
        let written = self.store.put_opts(&self.manifest(id), content.into(), PutOptions::default()).await;
        written.map(drop).map_err(|error| failed(error.to_string()))
    }

    /// Waits for a store, and not for ever: a file system over a network may never answer.
    async fn answered<T>(
        &self,
        asked: impl Future<Output = Result<T, SnapshotError>>,
    ) -> Result<T, SnapshotError> {
        tokio::time::timeout(ANSWERED, asked).await.unwrap_or_else(|_| {
            let reason = format!("the store didn't answer within {} s", ANSWERED.as_secs());
            Err(SnapshotError::Store { file: self.location.url().to_string(), reason })
        })
    }

    /// The ids of all folders of snapshots, whole or not, in order.
    async fn ids(&self) -> Result<Vec<SnapshotId>, SnapshotError> {
        let failed = |error: object_store::Error| SnapshotError::Store {
            file: self.location.url().to_string(),
            reason: error.to_string(),
        };
        let listed = match self.store.list_with_delimiter(Some(&self.root)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            listed => listed.map_err(failed)?,
        };
        let folders = listed.common_prefixes.iter();
        let mut ids: Vec<SnapshotId> = folders.filter_map(|folder| id_of(folder.filename()?)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    async fn read(&self, path: &Path, file: &str) -> Result<Option<bytes::Bytes>, SnapshotError> {
        let failed = |reason: String| SnapshotError::Store { file: file.to_owned(), reason };
        let found = match self.store.get_opts(path, GetOptions::default()).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|error| failed(error.to_string()))?,
        };
        if found.meta.size > LARGEST_MANIFEST_BYTES {
            return Err(failed(format!("it has {} bytes, and a manifest has fewer", found.meta.size)));
        }
        found.bytes().await.map(Some).map_err(|error| failed(error.to_string()))
    }

    fn manifest(&self, id: SnapshotId) -> Path {
        self.root.clone().join(folder(id)).join(MANIFEST)
    }
}

#[cfg(test)]
mod tests;
