use std::{collections::BTreeMap, sync::PoisonError};

use howdah_proto::{SnapshotId, Term, pb, required};
use tonic::Status;

use super::{
    Paramserver,
    cell::{Access, ShardCell, ShardKey},
    clocks::within,
    kept::Kept,
    refusal::refusal,
    requests::{range, shard_key, shard_spec, task_mark},
    snapshot::{Folder, SavedFile},
    terms::{Claim, Role, Standing},
};
use crate::{
    client::LONG_POLL,
    shard::{Image, PlanError},
};

/// Answers that are kept for the case that they get lost.
const KEPT_ANSWERS: usize = 4;

/// The cuts that were saved last.
#[derive(Debug, Default)]
pub(super) struct SavedCuts(BTreeMap<SnapshotId, pb::SaveCutReply>);

impl SavedCuts {
    fn keep(&mut self, snapshot: SnapshotId, reply: pb::SaveCutReply) {
        self.0.insert(snapshot, reply);
        while self.0.len() > KEPT_ANSWERS {
            self.0.pop_first();
        }
    }
}

/// Decides which pushes a snapshot has.
pub(super) async fn plan(
    server: &Paramserver,
    request: pb::PlanCutRequest,
) -> Result<pb::PlanCutReply, Status> {
    let access = server.primary(request.shard)?;
    let marks = request.marks.into_iter().map(task_mark).collect::<Result<BTreeMap<_, _>, _>>()?;
    let snapshot = SnapshotId(request.snapshot);
    let planned = access.change(move |shard| shard.plan_cut(snapshot, marks)).await?;
    let passed = |PlanError { task, mark }: PlanError| pb::TaskMark { task: Some(task.into()), mark: mark.0 };
    Ok(pb::PlanCutReply { passed: planned.err().map(passed) })
}

/// Writes a cut once all its pushes have come.
pub(super) async fn save(
    server: &Paramserver,
    request: pb::SaveCutRequest,
) -> Result<pb::SaveCutReply, Status> {
    let access = server.primary(request.shard)?;
    let snapshot = SnapshotId(request.snapshot);
    if let Some(reply) = saved_before(&access.cell, snapshot) {
        return Ok(reply);
    }
    let folder = Folder::open(&request.location)?;
    if !is_complete(&access, snapshot).await? {
        return Ok(pb::SaveCutReply::default());
    }
    let start = access.cell.range.start;
    let missing = || Status::not_found(no_such_cut(access.cell.key, snapshot));
    let image = access.change(move |shard| shard.take_cut(snapshot, start)).await?.ok_or_else(missing)?;
    let version = image.header.version;
    let SavedFile { bytes, checksum } = folder.write(&request.file, image).await?;
    let reply = pb::SaveCutReply { saved: true, bytes, checksum: checksum.into(), version: version.0 };
    let mut saved = access.cell.saved.lock().unwrap_or_else(PoisonError::into_inner);
    saved.keep(snapshot, reply.clone());
    Ok(reply)
}

fn saved_before(cell: &ShardCell, snapshot: SnapshotId) -> Option<pb::SaveCutReply> {
    cell.saved.lock().unwrap_or_else(PoisonError::into_inner).0.get(&snapshot).cloned()
}

/// Waits for the pushes of a cut, and tells whether they came in time.
async fn is_complete(access: &Access, snapshot: SnapshotId) -> Result<bool, Status> {
    let mut found = Ok(());
    let complete = within(LONG_POLL, async {
        loop {
            let changed = access.cell.changed.notified();
            match access.read(move |shard| shard.is_cut_complete(snapshot)).await {
                Ok(Some(false)) => changed.await,
                Ok(Some(true)) => return,
                Ok(None) => {
                    found = Err(Status::not_found(no_such_cut(access.cell.key, snapshot)));
                    return;
                }
                Err(status) => {
                    found = Err(status);
                    return;
                }
            }
        }
    })
    .await;
    found.map(|()| complete)
}

fn no_such_cut(key: ShardKey, snapshot: SnapshotId) -> String {
    format!("{key} has no plan of snapshot {snapshot}")
}

/// Makes a shard from the files of a snapshot, whatever ranges they were cut in.
pub(super) async fn restore(
    server: &Paramserver,
    request: pb::RestoreShardRequest,
) -> Result<pb::RestoreShardReply, Status> {
    let key = shard_key(request.shard)?;
    let term = Term(required(request.shard, "shard")?.term);
    let wanted = range(key, request.start, request.len)?;
    let spec = shard_spec(key, &request.spec)?;
    let folder = Folder::open(&request.location)?;
    let overlaps = |saved: &pb::SavedShard| {
        saved.start < wanted.end && saved.start.saturating_add(saved.len) > wanted.start
    };
    let mut pieces = Vec::new();
    for saved in request.saved.iter().filter(|saved| overlaps(saved)) {
        pieces.push(folder.read(saved).await?);
    }
    let standing = Standing { term, role: Role::Primary };
    let make = move || {
        let shard = Image::assemble(wanted.clone(), pieces).and_then(|image| Kept::from_image(image, &spec));
        let shard = shard.map_err(|error| refusal(key, error))?;
        Ok::<_, Status>(ShardCell::new(key, wanted, spec, standing, shard))
    };
    let cell = tokio::task::spawn_blocking(make)
        .await
        .map_err(|_| Status::internal(format!("{key} broke while it was restored")))??;
    let cell = server.shards.put(cell, standing).await?;
    let version = Access::new(cell, Claim { term, role: Role::Primary }).read(Kept::version).await?;
    Ok(pb::RestoreShardReply { version: version.0 })
}
