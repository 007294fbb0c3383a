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
        assert!(error.contains(location) && error.contains("30 s"), "{error}");
        lets_go.send(()).unwrap();
    });
}

#[test]
fn folders_that_hang_keep_so_many_threads_and_no_more() {
    static ONE: Semaphore = Semaphore::const_new(1);
    let base = tempfile::tempdir().unwrap();
    let place = |name: &str| base.path().join(name);
    let (runtime, lets_go) = held_up(true);
    runtime.block_on(async {
        for (name, reason) in [("a run that hangs", "answered for 30 s"), ("another run", "other folders")] {
            let path = place(name);
            let mut opening = std::pin::pin!(Folder::open_as_one_of(&ONE, path.to_str().unwrap()));
            assert!(futures::poll!(&mut opening).is_pending());
            tokio::time::advance(OPENING).await;
            let error = opening.await.unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(reason), "{error}");
        }
        lets_go.send(()).unwrap();
        Folder::open_as_one_of(&ONE, place("a third one").to_str().unwrap()).await.unwrap();
    });
    assert!(place("a run that hangs").exists() && !place("another run").exists());
}

/// It answers nothing.
#[derive(Debug)]
struct Silent;

#[tonic::async_trait]
impl MultipartUpload for Silent {
    fn put_part(&mut self, _: PutPayload) -> UploadPart {
        Box::pin(std::future::pending())
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        std::future::pending().await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_falls_silent_is_given_up() {
    for parts in [1, 2 * CONCURRENT_PARTS] {
        let values = parts * CHUNK_BYTES / size_of::<f32>();
        let image = Shard::new(values as u64, &SPEC).unwrap().image(0).unwrap();
        let writer = WriteMultipart::new_with_chunk_size(Box::new(Silent), CHUNK_BYTES);
        assert_eq!(send(writer, image).await.unwrap_err(), "the store has not answered for 300 s");
    }
}

#[test]
fn a_file_that_never_comes_is_named() {
    let base = tempfile::tempdir().unwrap();
    let (runtime, lets_go) = held_up(true);
    runtime.block_on(async {
        let (store, path) = open_folder(base.path().to_str().unwrap()).unwrap();
        let folder = Folder { store, path, location: "/mnt/hung".to_owned() };
        let saved = pb::SavedShard { file: "shard-0000".to_owned(), ..Default::default() };
        let mut reading = std::pin::pin!(folder.read(&saved));
        assert!(futures::poll!(&mut reading).is_pending());
        tokio::time::advance(SILENCE).await;
        let error = reading.await.unwrap_err().to_string();
        let reason = "the store has not answered for 300 s";
        assert_eq!(error, format!("shard-0000 in /mnt/hung can't be read: {reason}"));
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
