use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use howdah_proto::{pb, transport::root_cause};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use sha2::{Digest, Sha256};
use tokio::{runtime::Handle, task::JoinError};

use super::{error::SnapshotError, pieces};
use crate::{
    shard::{Image, ShardError},
    stores::open_folder,
};

/// How many parts of a file are on their way to the store at a time.
const CONCURRENT_PARTS: usize = 4;
/// How long a folder may take to be opened: a file system on a network may never answer.
const OPENING: Duration = Duration::from_secs(60);

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
        let (location, place) = (location.to_owned(), location.to_owned());
        let opening = aside(async move { open_folder(&place) });
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
        let failed = |error: object_store::Error| self.failed(file, "written", &error);
        let store = Arc::clone(&self.store);
        let broken = |_| self.store_error(file, "written", "its beginning broke off".to_owned());
        let begun = aside(async move { store.put_multipart(&path).await }).await.map_err(broken)?;
        let writer = WriteMultipart::new(begun.map_err(failed)?);
        send(writer, image).await.map_err(|reason| self.store_error(file, "written", reason))
    }

    /// Reads the image of a shard, if the file is the one that was saved.
    pub(in crate::server) async fn read(&self, saved: &pb::SavedShard) -> Result<Image, SnapshotError> {
        let file = &saved.file;
        let path = self.path_of(file)?;
        let failed = |error: object_store::Error| self.failed(file, "read", &error);
        let foreign = |reason: String| self.foreign(file, reason);
        let found = self.store.get(&path).await.map_err(failed)?;
        if found.meta.size != saved.bytes {
            return Err(foreign(format!("it has {} bytes, {} were saved", found.meta.size, saved.bytes)));
        }
        let mut bytes = Vec::new();
        let length = usize::try_from(saved.bytes).unwrap_or(usize::MAX);
        let no_memory = |_| self.store_error(file, "read", format!("there is no memory for {length} bytes"));
        bytes.try_reserve_exact(length).map_err(no_memory)?;
        let mut stream = found.into_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(failed)?;
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
        let broken = |_| self.store_error(file, "read", "its check broke off".to_owned());
        let checked = tokio::task::spawn_blocking(check).await.map_err(broken)?;
        checked.map_err(|unread| match unread {
            Unread::Foreign(reason) => foreign(reason),
            Unread::NoRoom(reason) => self.store_error(file, "read", reason),
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

    fn failed(&self, file: &str, action: &'static str, error: &object_store::Error) -> SnapshotError {
        self.store_error(file, action, root_cause(error))
    }

    fn store_error(&self, file: &str, action: &'static str, reason: String) -> SnapshotError {
        SnapshotError::Store { location: self.location.clone(), file: file.to_owned(), action, reason }
    }

    fn foreign(&self, file: &str, reason: String) -> SnapshotError {
        SnapshotError::Foreign { location: self.location.clone(), file: file.to_owned(), reason }
    }
}

/// Does what waits for a disk in the thread that it is called in, where that doesn't hold up the network.
async fn aside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, JoinError> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work)).await
}

/// Writes an image in parts, of which none stay if it fails.
async fn send(mut writer: WriteMultipart, image: Image) -> Result<SavedFile, String> {
    let (mut pieces, checksum) = pieces(image);
    let put = async {
        let mut bytes = 0;
        while let Some(piece) = pieces.recv().await {
            bytes += piece.len() as u64;
            writer.wait_for_capacity(CONCURRENT_PARTS).await.map_err(|error| root_cause(&error))?;
            writer.put(piece);
        }
        let checksum = checksum.await.map_err(|_| "its image broke off".to_owned())?;
        Ok::<_, String>(SavedFile { bytes, checksum })
    };
    match put.await {
        Ok(saved) => writer.finish().await.map(|_| saved).map_err(|error| root_cause(&error)),
        Err(reason) => {
            // Whether they go changes nothing about the outcome.
            let _gone = writer.abort().await;
            Err(reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use howdah_proto::transport::CHUNK_BYTES;
    use object_store::{MultipartUpload, PutPayload, PutResult, UploadPart};

    use super::*;
    use crate::shard::{Shard, fixture::SPEC};

    /// It takes one part and no more.
    #[derive(Debug, Default)]
    struct Full {
        parts: usize,
        is_aborted: Arc<AtomicBool>,
    }

    fn no_room() -> object_store::Error {
        object_store::Error::Generic { store: "full", source: "there is no room".into() }
    }

    #[tonic::async_trait]
    impl MultipartUpload for Full {
        fn put_part(&mut self, _: PutPayload) -> UploadPart {
            self.parts += 1;
            let taken = if self.parts == 1 { Ok(()) } else { Err(no_room()) };
            Box::pin(std::future::ready(taken))
        }

        async fn complete(&mut self) -> object_store::Result<PutResult> {
            Err(no_room())
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            self.is_aborted.store(true, Ordering::SeqCst);
            Ok(())
        }
    }

    /// A runtime whose threads for what waits are all taken until something is sent.
    fn held_up(paused: bool) -> (tokio::runtime::Runtime, std::sync::mpsc::Sender<()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).enable_all().start_paused(paused).build().unwrap();
        let (lets_go, held) = std::sync::mpsc::channel();
        runtime.spawn_blocking(move || held.recv());
        (runtime, lets_go)
    }

    #[test]
    fn a_folder_that_takes_its_time_holds_up_nobody_else() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a run");
        let (runtime, lets_go) = held_up(false);
        runtime.block_on(async {
            let mut opening = std::pin::pin!(Folder::open(path.to_str().unwrap()));
            assert!(futures::poll!(&mut opening).is_pending() && !path.exists());
            lets_go.send(()).unwrap();
            let folder = opening.await.unwrap();
            let image = Shard::new(1, &SPEC).unwrap().image(0).unwrap();
            let written = folder.write("shard", image).await.unwrap();
            assert_eq!(path.join("shard").metadata().unwrap().len(), written.bytes);
        });
    }

    #[test]
    fn a_folder_that_never_answers_is_named() {
        let base = tempfile::tempdir().unwrap();
        let location = base.path().to_str().unwrap();
        let (runtime, lets_go) = held_up(true);
        runtime.block_on(async {
            let mut opening = std::pin::pin!(Folder::open(location));
            assert!(futures::poll!(&mut opening).is_pending());
            tokio::time::advance(OPENING).await;
            let error = opening.await.unwrap_err().to_string();
            assert!(error.contains(location) && error.contains("60 s"), "{error}");
            lets_go.send(()).unwrap();
        });
    }

    #[tokio::test]
    async fn no_parts_stay_of_a_file_that_fails_before_or_at_its_end() {
        for parts in [2, 2 * CONCURRENT_PARTS] {
            let values = parts * CHUNK_BYTES / size_of::<f32>();
            let image = Shard::new(values as u64, &SPEC).unwrap().image(0).unwrap();
            let upload = Full::default();
            let is_aborted = Arc::clone(&upload.is_aborted);
            let writer = WriteMultipart::new_with_chunk_size(Box::new(upload), CHUNK_BYTES);
            let reason = send(writer, image).await.unwrap_err();
            assert!(reason.contains("there is no room"), "{reason}");
            assert!(is_aborted.load(Ordering::SeqCst), "{parts} parts");
        }
    }
}
