use std::{error::Error, sync::Arc, time::Duration};

use futures::TryStreamExt;
use howdah_proto::{pb, transport::root_cause};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use sha2::{Digest, Sha256};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinError};

use super::{error::SnapshotError, pieces};
use crate::{
    shard::{Image, ShardError},
    stores::open_folder,
};

/// How many parts of a file are on their way to the store at a time.
const CONCURRENT_PARTS: usize = 4;
/// How long a folder may take to be opened: a file system on a network may never answer. Whoever asks waits for a minute.
const OPENING: Duration = Duration::from_secs(30);
/// How many folders are opened in turn at a time. One that hangs keeps its thread; the others are there for longer work.
static OPENINGS: Semaphore = Semaphore::const_new(32);
/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// How long a store may say nothing of a file: a request to one is tried again for three minutes.
const SILENCE: Duration = Duration::from_secs(300);
/// How long a store may take to make a file whole: a file system has all of it on the disk then.
const FLUSHING: Duration = Duration::from_secs(600);

/// The folder of a snapshot.
#[derive(Debug)]
pub(in crate::server) struct Folder {
    store: Arc<dyn ObjectStore>,
    path: Path,
    location: String,
}

/// A file that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct SavedFile {
    pub(in crate::server) bytes: u64,
    /// SHA-256.
    pub(in crate::server) checksum: Vec<u8>,
}

/// Why what was read is no image.
enum Unread {
    /// It isn't what was saved.
    Foreign(String),
    /// There may be room for it another time, or elsewhere.
    NoRoom(String),
}

impl From<ShardError> for Unread {
    fn from(error: ShardError) -> Self {
        match error {
            ShardError::OutOfMemory(_) => Self::NoRoom(error.to_string()),
            _ => Self::Foreign(error.to_string()),
        }
    }
}

impl Folder {
    /// Opens a folder: an absolute path, or the URL of one in an object store, whose credentials come from the
    /// environment.
    pub(in crate::server) async fn open(location: &str) -> Result<Self, SnapshotError> {
        Self::open_with(location, ()).await
    }

    /// Opens a folder when few others are being opened: snapshots are tried for as long as their job lasts, and each try
    /// that hangs keeps a thread.
    pub(in crate::server) async fn open_in_turn(location: &str) -> Result<Self, SnapshotError> {
        Self::open_as_one_of(&OPENINGS, location).await
    }

    async fn open_as_one_of(openings: &'static Semaphore, location: &str) -> Result<Self, SnapshotError> {
        let Ok(turn) = tokio::time::timeout(TURN, openings.acquire()).await else {
            return Err(SnapshotError::Behind { location: location.to_owned(), seconds: TURN.as_secs() });
        };
        Self::open_with(location, turn).await
    }

    /// The thread that opens it holds what is given, whether or not anybody waits still.
    async fn open_with(location: &str, held: impl Send + 'static) -> Result<Self, SnapshotError> {
        let (location, place) = (location.to_owned(), location.to_owned());
        let opening = aside(async move {
            let _held = held;
            open_folder(&place)
        });
        let opened = match tokio::time::timeout(OPENING, opening).await {
            Ok(opened) => opened.unwrap_or_else(|_| Err("opening it broke off".to_owned())),
            Err(_) => return Err(SnapshotError::Silent { location, seconds: OPENING.as_secs() }),
        };
        match opened {
            Ok((store, path)) => Ok(Self { store, path, location }),
            Err(reason) => Err(SnapshotError::Location { location, reason }),
        }
    }

    /// Writes the image of a shard: the file appears under its name when it is whole.
    pub(in crate::server) async fn write(
        &self,
        file: &str,
        image: Image,
    ) -> Result<SavedFile, SnapshotError> {
        let path = self.path_of(file)?;
        let failed = |reason: String| self.store_error(file, "written", reason);
        let store = Arc::clone(&self.store);
        let begun = aside(async move { heard(store.put_multipart(&path)).await });
        let begun = heard(begun).await.map_err(failed)?;
        send(WriteMultipart::new(begun.map_err(failed)?), image).await.map_err(failed)
    }

    /// Reads the image of a shard, if the file is the one that was saved.
    pub(in crate::server) async fn read(&self, saved: &pb::SavedShard) -> Result<Image, SnapshotError> {
        let file = &saved.file;
        let path = self.path_of(file)?;
        let failed = |reason: String| self.store_error(file, "read", reason);
        let foreign = |reason: String| self.foreign(file, reason);
        let found = heard(self.store.get(&path)).await.map_err(failed)?;
        if found.meta.size != saved.bytes {
            return Err(foreign(format!("it has {} bytes, {} were saved", found.meta.size, saved.bytes)));
        }
        let mut bytes = Vec::new();
        let length = usize::try_from(saved.bytes).unwrap_or(usize::MAX);
        let no_memory = |_| failed(format!("there is no memory for {length} bytes"));
        bytes.try_reserve_exact(length).map_err(no_memory)?;
        let mut stream = found.into_stream();
        while let Some(piece) = heard(stream.try_next()).await.map_err(failed)? {
            if piece.len() > length - bytes.len() {
                return Err(foreign("it grows while it is read".to_owned()));
            }
            bytes.extend_from_slice(&piece);
        }
        let (start, len, checksum) = (saved.start, saved.len, saved.checksum.clone());
        let check = move || {
            if Sha256::digest(&bytes)[..] != checksum[..] {
                return Err(Unread::Foreign("its SHA-256 is another one".to_owned()));
            }
            let image = Image::read(&bytes)?;
            if (image.header.start, image.header.len) != (start, len) {
                return Err(Unread::Foreign("it is of other parameters".to_owned()));
            }
            Ok(image)
        };
        let broken = |_| failed("its check broke off".to_owned());
        let checked = tokio::task::spawn_blocking(check).await.map_err(broken)?;
        checked.map_err(|unread| match unread {
            Unread::Foreign(reason) => foreign(reason),
            Unread::NoRoom(reason) => failed(reason),
        })
    }

    fn path_of(&self, file: &str) -> Result<Path, SnapshotError> {
        let plain = !file.is_empty()
            && !file.starts_with('.')
            && file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if plain {
            Ok(self.path.clone().join(file))
        } else {
            Err(SnapshotError::Name { file: file.to_owned() })
        }
    }

    fn store_error(&self, file: &str, action: &'static str, reason: String) -> SnapshotError {
        SnapshotError::Store { location: self.location.clone(), file: file.to_owned(), action, reason }
    }

    fn foreign(&self, file: &str, reason: String) -> SnapshotError {
        SnapshotError::Foreign { location: self.location.clone(), file: file.to_owned(), reason }
    }
}

/// Waits for a store, and not for ever.
async fn heard<T, E: Error>(asked: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    within(SILENCE, asked).await
}

async fn within<T, E: Error>(
    limit: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(|error| root_cause(&error)),
        Err(_) => Err(format!("the store has not answered for {} s", limit.as_secs())),
    }
}

/// Does what waits for a disk in the thread that it is called in, where that doesn't hold up the network.
async fn aside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, JoinError> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work)).await
}

/// Writes an image in parts, of which none stay if it fails, unless the store falls silent.
async fn send(mut writer: WriteMultipart, image: Image) -> Result<SavedFile, String> {
    let (mut pieces, checksum) = pieces(image);
    let put = async {
        let mut bytes = 0;
        while let Some(piece) = pieces.recv().await {
            bytes += piece.len() as u64;
            heard(writer.wait_for_capacity(CONCURRENT_PARTS)).await?;
            writer.put(piece);
        }
        // The last parts: where they fail, those before them can still be dropped.
        heard(writer.wait_for_capacity(0)).await?;
        let checksum = checksum.await.map_err(|_| "its image broke off".to_owned())?;
        Ok::<_, String>(SavedFile { bytes, checksum })
    };
    match put.await {
        Ok(saved) => within(FLUSHING, writer.finish()).await.map(|_| saved),
        Err(reason) => {
            // Whether they go changes nothing about the outcome.
            let _gone = heard(writer.abort()).await;
            Err(reason)
        }
    }
}

#[cfg(test)]
mod tests;
