use std::{collections::BTreeSet, io, path::PathBuf, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use howdah_proto::SnapshotId;
use object_store::{ObjectStore, path::Path};

use super::Store;
use crate::snapshot::{MANIFEST, SnapshotError, location::folder};

/// How long it may take to drop what is needed no more. A later snapshot drops what stays.
pub(super) const DROPPED: Duration = Duration::from_secs(60);

impl Store {
    /// Drops all snapshots, whole or not; other files stay.
    ///
    /// # Errors
    /// [`SnapshotError::Store`], naming the folder.
    pub async fn clear(&self) -> Result<(), SnapshotError> {
        for id in self.ids().await? {
            self.drop(id).await?;
        }
        if let Some(place) = self.here() {
            // It stays if it has other files.
            let _other_files = tokio::fs::remove_dir(place).await;
        }
        Ok(())
    }

    /// Drops what there is of snapshots that came to nothing, as far as that can be done soon: a server may still write
    /// into them. One that has a manifest is whole, whoever took it, and stays.
    pub async fn drop_failed(&self, failed: &BTreeSet<SnapshotId>) {
        let dropped = async {
            for id in self.ids().await?.into_iter().filter(|id| failed.contains(id)) {
                if self.bytes(id, MANIFEST).await == Ok(None) {
                    self.drop(id).await?;
                }
            }
            Ok(())
        };
        soon(dropped, "what is left of a snapshot that failed could not be dropped").await;
    }

    /// Drops all snapshots before one, whole or not, but `keep`.
    pub(super) async fn drop_before(&self, newest: SnapshotId, keep: Option<SnapshotId>) {
        let dropped = async {
            let older = self.ids().await?.into_iter().filter(|old| *old < newest && Some(*old) != keep);
            let mut ended = Ok(());
            for old in older {
                ended = ended.and(self.drop(old).await);
            }
            ended
        };
        soon(dropped, "an old snapshot could not be dropped").await;
    }

    /// Drops a snapshot, its manifest first, so that what is left of it is never taken for whole.
    async fn drop(&self, id: SnapshotId) -> Result<(), SnapshotError> {
        let dropped = match self.here() {
            Some(place) => remove(place.join(folder(id))).await.map_err(|error| error.to_string()),
            None => self.delete(id).await.map_err(|error| error.to_string()),
        };
        dropped.map_err(|reason| SnapshotError::Store { file: self.location.snapshot(id), reason })
    }

    async fn delete(&self, id: SnapshotId) -> object_store::Result<()> {
        let folder = self.root.clone().join(folder(id));
        let mut files: Vec<Path> =
            self.store.list(Some(&folder)).map_ok(|file| file.location).try_collect().await?;
        let manifest = self.manifest(id);
        files.sort_by_key(|file| *file != manifest);
        let files = stream::iter(files.into_iter().map(Ok)).boxed();
        self.store.delete_stream(files).try_for_each(|_| std::future::ready(Ok(()))).await
    }

    /// The folder of the snapshots, if it is one that this machine sees.
    fn here(&self) -> Option<PathBuf> {
        let url = self.location.url();
        (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten()
    }
}

/// Removes a folder with the parts of a file that was never finished, which the store doesn't list.
async fn remove(folder: PathBuf) -> io::Result<()> {
    gone(tokio::fs::remove_file(folder.join(MANIFEST)).await)?;
    gone(tokio::fs::remove_dir_all(folder).await)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Nothing depends on what is dropped: it is said if it isn't.
async fn soon(dropped: impl Future<Output = Result<(), SnapshotError>>, else_say: &str) {
    match tokio::time::timeout(DROPPED, dropped).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "{else_say}"),
        Err(_) => tracing::warn!("{else_say} within {} s", DROPPED.as_secs()),
    }
}
