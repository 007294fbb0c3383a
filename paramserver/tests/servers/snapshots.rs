use std::{path::Path, time::Duration};

use howdah_proto::pb;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::fixture::{SPEC, Server, ShardAt, VALUES, task};

const PARTITIONS: u32 = 3;
const SNAPSHOT: u64 = 4;

async fn plan(shard: &ShardAt, mark: u64) -> Option<pb::TaskMark> {
    let marks = (0..PARTITIONS).map(|partition| pb::TaskMark { task: Some(task(partition).into()), mark });
    let request =
        pb::PlanCutRequest { shard: shard.shard(), snapshot: SNAPSHOT, marks: marks.collect(), attempt: 0 };
    shard.control().plan_cut(request).await.unwrap().into_inner().passed
}

async fn save(shard: &ShardAt, folder: &Path, file: &str) -> Result<pb::SaveCutReply, Status> {
    let location = folder.to_str().unwrap().to_owned();
    let request = pb::SaveCutRequest {
        shard: shard.shard(),
        snapshot: SNAPSHOT,
        location,
        file: file.to_owned(),
        attempt: 0,
    };
    shard.control().save_cut(request).await.map(tonic::Response::into_inner)
}

async fn restore(
    shard: &ShardAt,
    start: u64,
    len: u64,
    folder: &Path,
    saved: &[pb::SavedShard],
) -> Result<u64, Status> {
    let request = pb::RestoreShardRequest {
        shard: shard.shard(),
        start,
        len,
        spec: serde_json::to_string(&SPEC).unwrap(),
        location: format!("file://{}", folder.to_str().unwrap()),
        saved: saved.to_vec(),
    };
    shard.control().restore(request).await.map(|reply| reply.into_inner().version)
}

/// Two shards that are pushed to while they are cut at step 10, and their files.
async fn saved(servers: &[Server; 2], folder: &Path) -> Vec<pb::SavedShard> {
    let mut saved = Vec::new();
    let mut pushers = JoinSet::new();
    for (index, server) in servers.iter().enumerate() {
        let shard = server.shard(index as u32, 1).await;
        shard.create((index * VALUES) as u64, VALUES as u64, &SPEC).await.unwrap();
        assert_eq!(plan(&shard, 10).await, None);
        for partition in 0..PARTITIONS {
            let shard = server.shard(index as u32, 1).await;
            pushers.spawn(async move {
                for step in 1..=20 {
                    shard.push_ones(VALUES, partition, step).await.unwrap();
                }
            });
        }
    }
    for (index, server) in servers.iter().enumerate() {
        let shard = server.shard(index as u32, 1).await;
        let file = format!("shard-{index}.bin");
        let reply = save(&shard, folder, &file).await.unwrap();
        assert!(reply.saved);
        assert_eq!(reply.bytes, std::fs::metadata(folder.join(&file)).unwrap().len());
        assert_eq!(save(&shard, folder, &file).await.unwrap(), reply);
        let (start, len) = ((index * VALUES) as u64, VALUES as u64);
        saved.push(pb::SavedShard { start, len, file, bytes: reply.bytes, checksum: reply.checksum });
    }
    while let Some(pushed) = pushers.join_next().await {
        pushed.unwrap();
    }
    saved
}

#[tokio::test]
async fn a_cut_has_the_same_pushes_in_all_shards_and_can_be_restored_into_others() {
    let folder = TempDir::new().unwrap();
    let servers = [Server::start(), Server::start()];
    let saved = saved(&servers, folder.path()).await;
    for server in &servers {
        let index = u32::from(!std::ptr::eq(server, &servers[0]));
        assert_eq!(server.shard(index, 1).await.pull().await, vec![60.0; VALUES]);
    }
    // Of two shards three, in a new term, on servers that have shards of the old one.
    let ends = [0, 40_000, 100_000, 2 * VALUES as u64];
    for (index, range) in ends.windows(2).enumerate() {
        let shard = servers[index % 2].shard(index as u32, 2).await;
        let len = range[1] - range[0];
        assert_eq!(restore(&shard, range[0], len, folder.path(), &saved).await.unwrap(), 30);
        assert_eq!(restore(&shard, range[0], len, folder.path(), &saved).await.unwrap(), 30);
        assert_eq!(shard.marks().await, [(0, 10), (1, 10), (2, 10)]);
        assert_eq!(shard.pull().await, vec![30.0; len as usize]);
        shard.push_ones(len as usize, 1, 11).await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_is_saved_once_however_often_it_is_asked_for_and_whoever_is_gone_meanwhile() {
    let folder = TempDir::new().unwrap();
    let server = Server::start();
    for (index, micros) in [0, 100, 300, 1_000, 3_000].into_iter().enumerate() {
        let shard = server.shard(index as u32, 1).await;
        shard.create(0, VALUES as u64, &SPEC).await.unwrap();
        assert_eq!(plan(&shard, 0).await, None);
        let file = format!("shard-{index}");
        let save = || save(&shard, folder.path(), &file);
        // Whoever asks first is gone after a while, with or without an answer.
        let _gone = tokio::time::timeout(Duration::from_micros(micros), save()).await;
        let replies = futures::future::join_all((0..8).map(|_| save())).await;
        let first = replies[0].clone().unwrap();
        assert!(first.saved && first.bytes > 0, "{first:?}");
        for reply in replies {
            assert_eq!(reply.unwrap(), first);
        }
    }
}

#[tokio::test]
async fn a_cut_that_cannot_be_written_says_so_as_often_as_it_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let server = Server::start();
    let shard = server.shard(0, 1).await;
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();
    assert_eq!(plan(&shard, 0).await, None);
    // A folder stands where the file is to be.
    std::fs::create_dir_all(folder.path().join("shard/other")).unwrap();
    for _ in 0..2 {
        let error = save(&shard, folder.path(), "shard").await.unwrap_err();
        assert!(error.message().contains("can't be written"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_the_one_that_was_saved_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let servers = [Server::start(), Server::start()];
    let saved = saved(&servers, folder.path()).await;
    let shard = servers[0].shard(0, 2).await;
    let path = folder.path().join("shard-0.bin");
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let other = std::fs::read(folder.path().join("shard-1.bin")).unwrap();
    for wrong in [&whole[..whole.len() - 1], &flipped, &other, b"something else"] {
        std::fs::write(&path, wrong).unwrap();
        let error = restore(&shard, 0, 10, folder.path(), &saved).await.unwrap_err();
        assert_eq!(error.code(), Code::DataLoss, "{error}");
        assert!(error.message().contains("shard-0.bin"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let error = restore(&shard, 0, 10, folder.path(), &saved).await.unwrap_err();
    assert!(error.message().contains("shard-0.bin"), "{error}");
    // The one that was there is untouched.
    assert_eq!(servers[0].shard(0, 1).await.status().await.version, 60);

    std::fs::write(&path, &whole).unwrap();
    let mut elsewhere = saved.clone();
    elsewhere[0].file = "../shard-0.bin".to_owned();
    let error = restore(&shard, 0, 10, folder.path(), &elsewhere).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    restore(&shard, 0, 10, folder.path(), &saved).await.unwrap();
}

#[tokio::test]
async fn a_cut_behind_a_task_says_which_one_has_passed_it() {
    let server = Server::start();
    let shard = server.shard(0, 1).await;
    shard.create(0, 4, &SPEC).await.unwrap();
    for step in 1..=3 {
        shard.push_ones(4, 2, step).await.unwrap();
    }
    let passed = plan(&shard, 2).await.unwrap();
    assert_eq!((passed.task.unwrap().partition, passed.mark), (2, 3));
    let folder = TempDir::new().unwrap();
    let error = save(&shard, folder.path(), "a.bin").await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
