use std::{collections::BTreeSet, fmt, path::PathBuf};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions, PutPayload,
    PutResult, Result, memory::InMemory,
};
use tokio::time::Instant;

use super::*;
use crate::snapshot::manifest::tests::manifest;

fn numbered(snapshot: u64) -> Manifest {
    Manifest { snapshot: SnapshotId(snapshot), ..manifest() }
}

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("snap shots").to_string_lossy()).unwrap()
}

/// Where a snapshot is.
fn of_snapshot(folder: &tempfile::TempDir, snapshot: u64) -> PathBuf {
    folder.path().join("snap shots").join(super::folder(SnapshotId(snapshot)))
}

/// Writes the files of a snapshot's shards, with so many bytes each.
fn write_shards(folder: &tempfile::TempDir, snapshot: u64, bytes: usize) {
    let path = of_snapshot(folder, snapshot);
    std::fs::create_dir_all(&path).unwrap();
    for saved in manifest().shards {
        std::fs::write(path.join(saved.file), vec![0; bytes]).unwrap();
    }
}

/// Writes a whole snapshot.
async fn take(folder: &tempfile::TempDir, snapshot: u64, keep: Option<SnapshotId>) {
    write_shards(folder, snapshot, 50);
    open(folder).commit(&numbered(snapshot), keep).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_of_which_not_every_file_can_be_seen_gets_no_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let refused = async || store.commit(&numbered(1), None).await.unwrap_err().to_string();
    write_shards(&folder, 1, 50);
    let path = of_snapshot(&folder, 1);
    std::fs::remove_file(path.join("shard-1")).unwrap();
    let missing = refused().await;
    assert!(missing.contains("snapshot-0000000001/shard-1 was written by a parameter server"), "{missing}");
    assert!(missing.contains("it is missing; all machines must reach the same place"), "{missing}");
    std::fs::write(path.join("shard-1"), "x").unwrap();
    let short = refused().await;
    assert!(short.contains("it has 1 bytes, and 50 were saved"), "{short}");
    assert_eq!(store.find().await, Ok(Found { has_whole: false, last: SnapshotId(1) }));
}

#[tokio::test]
async fn a_snapshot_with_a_file_that_is_missing_or_cut_off_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    take(&folder, 1, None).await;
    let path = of_snapshot(&folder, 1);
    std::fs::remove_file(path.join("shard-0")).unwrap();
    let refused = async || store.newest().await.unwrap_err().to_string();
    let missing = refused().await;
    assert!(missing.contains("snapshot-0000000001/shard-0 is damaged: it is missing"), "{missing}");
    write_shards(&folder, 1, 20);
    let short = refused().await;
    assert!(short.contains("it has 20 bytes, and 50 were saved"), "{short}");
    write_shards(&folder, 1, 50);
    assert_eq!(store.newest().await.unwrap().manifest, numbered(1));
}

#[tokio::test]
async fn the_newest_whole_snapshot_is_read_and_a_partial_one_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    assert!(matches!(store.newest().await, Err(SnapshotError::None(_))));
    take(&folder, 9, None).await;
    take(&folder, 10, Some(SnapshotId(9))).await;
    let partial = of_snapshot(&folder, 11);
    std::fs::create_dir(&partial).unwrap();
    std::fs::write(partial.join("shard-0000"), "x").unwrap();
    let newest = store.newest().await.unwrap();
    assert_eq!((newest.manifest, newest.last), (numbered(10), SnapshotId(11)));
    assert!(newest.folder.ends_with("snap%20shots/snapshot-0000000010"), "{}", newest.folder);
}

#[tokio::test]
async fn what_is_there_is_found_whole_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let found = async || store.find().await.unwrap();
    assert_eq!(found().await, Found { has_whole: false, last: SnapshotId(0) });
    write_shards(&folder, 5, 50);
    write_shards(&folder, 7, 50);
    assert_eq!(found().await, Found { has_whole: false, last: SnapshotId(7) });
    store.commit(&numbered(5), None).await.unwrap();
    assert_eq!(found().await, Found { has_whole: true, last: SnapshotId(7) });
}

#[tokio::test]
async fn a_number_that_another_run_has_used_is_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    assert_eq!(store.check_free(SnapshotId(5)).await, Ok(()));
    write_shards(&folder, 5, 50);
    let error = store.check_free(SnapshotId(5)).await.unwrap_err().to_string();
    assert!(error.starts_with("another run takes snapshots in file://"), "{error}");
    assert_eq!(store.check_free(SnapshotId(6)).await, Ok(()));
}

#[tokio::test]
async fn old_snapshots_go_and_other_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    std::fs::create_dir_all(folder.path().join("snap shots/notes")).unwrap();
    std::fs::write(folder.path().join("snap shots/notes/a"), "x").unwrap();
    for snapshot in 1..=3 {
        let keep = (snapshot > 1).then(|| SnapshotId(snapshot - 1));
        take(&folder, snapshot, keep).await;
    }
    assert_eq!(store.ids().await.unwrap(), [SnapshotId(2), SnapshotId(3)]);
    assert!(folder.path().join("snap shots/notes/a").exists());
}

#[tokio::test]
async fn all_snapshots_are_dropped_and_other_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    assert_eq!(store.clear().await, Ok(()), "there is nothing");
    take(&folder, 1, None).await;
    write_shards(&folder, 2, 50);
    std::fs::write(folder.path().join("snap shots/note"), "x").unwrap();
    store.clear().await.unwrap();
    assert!(store.ids().await.unwrap().is_empty());
    assert!(folder.path().join("snap shots/note").exists());
}

/// Leaves what a server that was killed leaves of a file that it wrote.
fn leave_parts(folder: &tempfile::TempDir, snapshot: u64) {
    let path = of_snapshot(folder, snapshot);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("shard-0#1"), "x").unwrap();
}

#[tokio::test]
async fn nothing_stays_of_snapshots_that_failed_and_whole_ones_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let failed = BTreeSet::from([1, 2, 3, 4].map(SnapshotId));
    store.drop_failed(&failed).await;
    take(&folder, 2, None).await;
    write_shards(&folder, 1, 50);
    leave_parts(&folder, 3);
    write_shards(&folder, 4, 50);
    leave_parts(&folder, 4);
    write_shards(&folder, 5, 50);
    store.drop_failed(&failed).await;
    assert_eq!(store.ids().await.unwrap(), [SnapshotId(2), SnapshotId(5)], "nobody said that 5 failed");
    assert_eq!(store.newest().await.unwrap().manifest, numbered(2));
}

#[tokio::test]
async fn what_is_left_of_a_snapshot_that_failed_goes_with_the_next_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    leave_parts(&folder, 1);
    take(&folder, 2, None).await;
    assert_eq!(open(&folder).ids().await.unwrap(), [SnapshotId(2)]);
}

#[tokio::test]
async fn a_commit_that_comes_late_leaves_newer_snapshots_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    take(&folder, 4, None).await;
    take(&folder, 3, None).await;
    assert_eq!(store.newest().await.unwrap().manifest, numbered(4));
}

#[tokio::test]
async fn a_manifest_that_makes_no_sense_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    take(&folder, 1, None).await;
    let path = of_snapshot(&folder, 2);
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join(MANIFEST), "{").unwrap();
    let error = store.newest().await.unwrap_err().to_string();
    assert!(error.contains("snapshot-0000000002/manifest.json is no manifest"), "{error}");
}

/// A store that answers no request, or all but those to remove something.
#[derive(Debug)]
struct Silent {
    answering: Option<InMemory>,
}

impl fmt::Display for Silent {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("silent")
    }
}

#[tonic::async_trait]
impl ObjectStore for Silent {
    async fn put_opts(&self, path: &Path, content: PutPayload, how: PutOptions) -> Result<PutResult> {
        let Some(store) = &self.answering else { return std::future::pending().await };
        store.put_opts(path, content, how).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        std::future::pending().await
    }

    async fn get_opts(&self, path: &Path, how: GetOptions) -> Result<GetResult> {
        let Some(store) = &self.answering else { return std::future::pending().await };
        store.get_opts(path, how).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::pending().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.answering.as_ref().map_or_else(|| stream::pending().boxed(), |store| store.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let Some(store) = &self.answering else { return std::future::pending().await };
        store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        std::future::pending().await
    }
}

fn silent(answering: Option<InMemory>) -> Store {
    let location = Location::parse("s3://bucket/run").unwrap();
    Store { location, store: Arc::new(Silent { answering }), root: Path::from("run") }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_not_waited_for_for_ever() {
    let store = silent(None);
    let begun = Instant::now();
    let unanswered = [
        store.find().await.map(drop),
        store.newest().await.map(drop),
        store.check_free(SnapshotId(1)).await,
        store.commit(&numbered(1), None).await,
    ];
    for error in unanswered {
        let said = error.unwrap_err().to_string();
        assert_eq!(said, "s3://bucket/run/: the store didn't answer within 300 s");
    }
    assert_eq!(begun.elapsed().as_secs(), 4 * ANSWERED.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_whole_also_if_those_before_it_cannot_be_dropped() {
    let memory = InMemory::new();
    for snapshot in [1, 2] {
        for saved in manifest().shards {
            let path = Path::from("run").join(folder(SnapshotId(snapshot))).join(saved.file);
            memory.put(&path, vec![0_u8; 50].into()).await.unwrap();
        }
    }
    let store = silent(Some(memory));
    let begun = Instant::now();
    store.commit(&numbered(2), None).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), drop::DROPPED.as_secs());
    assert_eq!(store.newest().await.unwrap().manifest, numbered(2));
}
