use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard, PoisonError},
};

use howdah_proto::pb;
use tokio::{runtime::Handle, sync::watch};
use tonic::Status;

use super::{
    Paramserver,
    cell::{Access, ShardCell, ShardKey},
    clocks::within,
    kept::Kept,
    refusal::refusal,
    requests::{cut_id, range, shard_in_term, shard_spec, task_mark},
    snapshot::{Folder, SavedFile},
    terms::{Claim, Role, Standing},
};
use crate::{
    client::LONG_POLL,
    shard::{CutId, Image, PlanError},
};

/// Cuts that are remembered, for the case that an answer gets lost.
const KEPT: usize = 4;

/// The cuts that are being saved, and those that were last.
#[derive(Debug, Default)]
pub(super) struct SavedCuts(BTreeMap<CutId, watch::Receiver<Saving>>);

/// How far a cut is.
#[derive(Debug, Clone)]
enum Saving {
    Writing,
    Ended(Result<pb::SaveCutReply, Status>),
}

impl SavedCuts {
    fn begin(&mut self, id: CutId) -> watch::Sender<Saving> {
        let (ends, saving) = watch::channel(Saving::Writing);
        self.0.insert(id, saving);
        while self.0.len() > KEPT {
            self.0.pop_first();
        }
        ends
    }
}

/// Decides which pushes a snapshot has.
pub(super) async fn plan(
    server: &Paramserver,
    request: pb::PlanCutRequest,
) -> Result<pb::PlanCutReply, Status> {
    let access = server.primary(request.shard)?;
    let marks = request.marks.into_iter().map(task_mark).collect::<Result<BTreeMap<_, _>, _>>()?;
    let id = cut_id(request.snapshot, request.attempt);
    let planned = access.change(move |shard| shard.plan_cut(id, marks)).await?;
    let passed = |PlanError { task, mark }: PlanError| pb::TaskMark { task: Some(task.into()), mark: mark.0 };
    Ok(pb::PlanCutReply { passed: planned.err().map(passed) })
}

/// Writes a cut once all its pushes have come. It goes on being written when whoever asked for it is gone: the plan of it
/// is used up then, and can't be had again.
pub(super) async fn save(
    server: &Paramserver,
    request: pb::SaveCutRequest,
) -> Result<pb::SaveCutReply, Status> {
    let access = server.primary(request.shard)?;
    let id = cut_id(request.snapshot, request.attempt);
    if begun(&access.cell, id).is_none() {
        let folder = Folder::open_in_turn(&request.location).await?;
        if is_complete(&access, id).await? == Some(false) {
            return Ok(pb::SaveCutReply::default());
        }
        let (start, cell, runtime) = (access.cell.range.start, Arc::clone(&access.cell), Handle::current());
        // All at once: whoever finds no plan any more finds that it is being saved, even if whoever began it is gone.
        let begin = move |shard: &mut Kept| {
            if let Some(image) = shard.take_cut(id, start)? {
                let ends = saved(&cell).begin(id);
                runtime.spawn(async move {
                    let ended = write(&folder, &request.file, image).await;
                    ends.send_replace(Saving::Ended(ended));
                });
            }
            Ok(())
        };
        access.change(begin).await?;
    }
    let missing = || Status::failed_precondition(no_such_cut(access.cell.key, id));
    let mut saving = begun(&access.cell, id).ok_or_else(missing)?;
    let ended = saving.wait_for(|saving| matches!(saving, Saving::Ended(_)));
    match tokio::time::timeout(LONG_POLL, ended).await.map(|ended| ended.map(|ended| ended.clone())) {
        Ok(Ok(Saving::Ended(reply))) => reply,
        Ok(Ok(Saving::Writing)) | Err(_) => Ok(pb::SaveCutReply { writing: true, ..Default::default() }),
        Ok(Err(_)) => Err(Status::internal(format!("{} broke off while it was saved", access.cell.key))),
    }
}

/// Forgets a plan and those before it.
pub(super) async fn forget(
    server: &Paramserver,
    request: pb::DropCutRequest,
) -> Result<pb::DropCutReply, Status> {
    let id = cut_id(request.snapshot, request.attempt);
    server.primary(request.shard)?.touch(move |shard| shard.drop_cut(id)).await?;
    Ok(pb::DropCutReply {})
}

async fn write(folder: &Folder, file: &str, image: Image) -> Result<pb::SaveCutReply, Status> {
    let version = image.header.version.0;
    let SavedFile { bytes, checksum } = folder.write(file, image).await?;
    Ok(pb::SaveCutReply { saved: true, bytes, checksum: checksum.into(), version, writing: false })
}

fn begun(cell: &ShardCell, id: CutId) -> Option<watch::Receiver<Saving>> {
    saved(cell).0.get(&id).cloned()
}

fn saved(cell: &ShardCell) -> MutexGuard<'_, SavedCuts> {
    cell.saved.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the pushes of a cut, and tells whether they came in time; nothing if there is no plan of it, or no more.
async fn is_complete(access: &Access, id: CutId) -> Result<Option<bool>, Status> {
    let mut found = Ok(Some(()));
    let complete = within(LONG_POLL, async {
        loop {
            let changed = access.cell.changed.notified();
            match access.read(move |shard| shard.is_cut_complete(id)).await {
                Ok(Some(false)) => changed.await,
                Ok(Some(true)) => return,
                Ok(None) => {
                    found = Ok(None);
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
    found.map(|found| found.map(|()| complete))
}

fn no_such_cut(key: ShardKey, id: CutId) -> String {
    format!("{key} doesn't have {id}")
}

/// Makes a shard from the files of a snapshot, whatever ranges they were cut in.
pub(super) async fn restore(
    server: &Paramserver,
    request: pb::RestoreShardRequest,
) -> Result<pb::RestoreShardReply, Status> {
    let (key, term) = shard_in_term(request.shard)?;
    let wanted = range(key, request.start, request.len)?;
    let spec = shard_spec(key, &request.spec)?;
    let folder = Folder::open(&request.location).await?;
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
