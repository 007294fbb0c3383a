use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::{OptionFuture, join_all, try_join_all};
use howdah_paramserver::{
    client::{CutState, ParametersError, Patience, SavedCut, ShardClient, ShardMarks},
    shard::CutId,
};
use howdah_proto::{Epoch, JobId, Partition, Step, fence::TrainTask, pb, settings::Mode};
use tokio::time::Instant;

use super::ask;
use crate::{
    snapshot::{
        AheadOf, Location, Manifest, SavedFile, SnapshotError, Store, check_sent, plan_ahead, retirable,
    },
    train::{CutKind, SnapshotFault, SnapshotRequest},
};

/// How long a snapshot may wait for its last pushes.
const COMPLETE: Duration = Duration::from_secs(60);
/// How long a store may take for the file of a shard.
const WRITTEN: Duration = Duration::from_secs(600);
/// A server that is lost, and can't be reached, holds up no plan until the next snapshot could be taken without it.
const PLANNED: Patience =
    Patience { deadline: Duration::from_secs(15), tries: 6, first_pause: Duration::from_millis(50) };
/// How often one is planned, each time twice as far ahead.
const TRIES: u32 = 7;

type Marks = BTreeMap<TrainTask, Step>;

/// Takes a snapshot; `planned` is run when it is decided what is in it.
pub(super) async fn take(
    job: JobId,
    request: SnapshotRequest,
    planned: impl Future<Output = ()> + Send,
) -> Result<Manifest, SnapshotFault> {
    let not_begun = |error: SnapshotError| SnapshotFault::NotBegun(error.to_string());
    let store = Store::open(&request.location).map_err(not_begun)?;
    let location = Location::parse(&request.location).map_err(not_begun)?;
    let clients = |patience| ask::shards(job, request.places.clone(), patience).map(|all| all.shards());
    // The planners are for what is answered at once.
    let (shards, planners) = (&clients(Patience::default())?, &clients(PLANNED)?);
    let mut manifest = request.manifest;
    let snapshot = manifest.snapshot;
    let drawn = rand::random();
    let (mut failed, mut may_come) = (request.failed, false);
    let written = async {
        manifest.retired = retire(planners, shards, &request.steps, &manifest).await?;
        let (cut, marks) = plan(planners, &request.steps, &request.running, request.cut, &manifest).await?;
        manifest.marks = marks.into_iter().collect();
        // What is pushed without a lock can't be told apart from what is in a cut: training goes on when that is saved.
        let is_free = matches!(manifest.settings.mode, Mode::Hogwild { .. });
        let (before, after) = if is_free { (None, Some(planned)) } else { (Some(planned), None) };
        OptionFuture::from(before).await;
        // Not before: training may wait for the plan, and the store may not answer.
        store.check_free(snapshot).await.map_err(not_begun)?;
        let folder = location.snapshot(snapshot);
        let deadline = Instant::now() + COMPLETE;
        let saves = shards.iter().map(|shard| {
            let file = name(shard.place().shard.0, drawn);
            save(shard, &folder, file, cut, deadline)
        });
        let saved = try_join_all(saves).await?;
        OptionFuture::from(after).await;
        let files = request.places.iter().zip(saved);
        let file = |(place, saved): (&pb::ShardPlace, SavedCut)| {
            SavedFile::new(name(place.shard, drawn), place, saved.bytes, &saved.checksum)
        };
        manifest.shards = files.map(file).collect();
        let committed = store.commit(&manifest, request.keep).await;
        // A manifest may still come of a try that nobody answered: its files stay until the next snapshot.
        may_come = committed.as_ref().is_err_and(|error| !matches!(error, SnapshotError::Unseen { .. }));
        committed.map_err(|error| error.to_string())?;
        Ok::<(), SnapshotFault>(())
    };
    let written = written.await;
    if written.is_err() {
        drop_cuts(planners, CutId { snapshot, attempt: TRIES }).await;
    }
    if let Err(SnapshotFault::Passing(_)) = &written {
        if !may_come {
            failed.insert(snapshot);
        }
        store.drop_failed(&failed).await;
    }
    written.map(|()| manifest)
}

/// The file of a shard. A store may still be given that of an earlier snapshot with this number, which came to nothing: a
/// drawn number tells them apart.
fn name(shard: u32, drawn: u32) -> String {
    format!("shard-{shard:04}-{drawn:08x}")
}

fn said(error: ParametersError) -> String {
    error.to_string()
}

/// Has all shards forget the marks of the same epochs; gives the last of them. Standbys forget them too, and may be behind.
async fn retire(
    planners: &[ShardClient],
    shards: &[ShardClient],
    steps: &BTreeMap<Partition, u64>,
    manifest: &Manifest,
) -> Result<Epoch, SnapshotFault> {
    let marks = try_join_all(planners.iter().map(ShardClient::marks)).await.map_err(said)?;
    // In rounds, shards have the same rounds or go back together; a late contribution leaves a mark behind for good.
    let none = BTreeMap::new();
    let steps = if manifest.settings.mode.in_rounds() { &none } else { steps };
    let retired = retirable(&marks, steps, manifest.retired)?;
    if retired > Epoch(0) {
        try_join_all(shards.iter().map(|shard| shard.retire_epochs(retired))).await.map_err(said)?;
    }
    Ok(retired)
}

/// Plans the cut on all shards; gives which plan it is, and what is in it.
async fn plan(
    shards: &[ShardClient],
    steps: &BTreeMap<Partition, u64>,
    running: &BTreeSet<TrainTask>,
    cut: CutKind,
    manifest: &Manifest,
) -> Result<(CutId, Marks), SnapshotFault> {
    for attempt in 0..TRIES {
        let id = CutId { snapshot: manifest.snapshot, attempt };
        let marks = try_join_all(shards.iter().map(ShardClient::marks)).await.map_err(said)?;
        if let CutKind::Ahead(_) = cut {
            check_sent(&marks, running)?;
        }
        let cuts = cuts(&marks, steps, cut, attempt);
        let plans = shards.iter().zip(&cuts).map(|(shard, cut)| shard.plan_cut(id, cut));
        let passed = try_join_all(plans).await.map_err(said)?;
        if passed.iter().all(Option::is_none) {
            return Ok((id, cuts.into_iter().next().unwrap_or_default()));
        }
        drop_cuts(shards, id).await;
    }
    Err(format!("tasks went on faster than it could be planned, {TRIES} times").into())
}

/// The cut of each shard. In a quiet moment each has what it has; else all have the same.
fn cuts(marks: &[ShardMarks], steps: &BTreeMap<Partition, u64>, cut: CutKind, attempt: u32) -> Vec<Marks> {
    match cut {
        CutKind::Quiet => marks.iter().map(|shard| shard.marks.clone()).collect(),
        CutKind::Ahead(ahead) => {
            let ahead = AheadOf { pushes: ahead.pushes.saturating_mul(1 << attempt), ..ahead };
            let steps_of = |task: TrainTask| steps.get(&task.partition).copied().unwrap_or(0);
            let cut = plan_ahead(marks.iter().map(|shard| &shard.marks), steps_of, ahead);
            vec![cut; marks.len()]
        }
    }
}

/// Has a shard written, once its last pushes have come.
async fn save(
    shard: &ShardClient,
    folder: &str,
    file: String,
    cut: CutId,
    deadline: Instant,
) -> Result<SavedCut, String> {
    let mut writes = None;
    loop {
        let saved = shard.save_cut(cut, folder, &file).await;
        match saved.map_err(|error| error.to_string())? {
            CutState::Saved(saved) => return Ok(saved),
            CutState::Writing if Instant::now() < *writes.get_or_insert_with(|| Instant::now() + WRITTEN) => {
            }
            CutState::Writing => {
                let (shard, seconds) = (shard.place().shard, WRITTEN.as_secs());
                return Err(format!("the file of shard {shard} was still being written after {seconds} s"));
            }
            CutState::Incomplete if Instant::now() < deadline => {}
            CutState::Incomplete => {
                let (shard, seconds) = (shard.place().shard, COMPLETE.as_secs());
                return Err(format!("pushes to shard {shard} were still missing after {seconds} s"));
            }
        }
    }
}

async fn drop_cuts(shards: &[ShardClient], cut: CutId) {
    for dropped in join_all(shards.iter().map(|shard| shard.drop_cut(cut))).await {
        if let Err(error) = dropped {
            tracing::info!(%cut, %error, "a cut could not be dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::listen, *};
    use crate::snapshot::example;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_holds_a_plan_up_for_a_quarter_of_a_minute() {
        // It takes connections, and reads nothing.
        let (_silent, address) = listen().await;
        let place = pb::ShardPlace { shard: 0, address, start: 0, len: 4, term: 1, made: 1 };
        let planners = ask::shards(JobId(1), vec![place], PLANNED).unwrap().shards();
        let begun = Instant::now();
        assert!(retire(&planners, &planners, &BTreeMap::new(), &example()).await.is_err());
        drop_cuts(&planners, CutId { snapshot: example().snapshot, attempt: 0 }).await;
        assert!(begun.elapsed() <= 2 * (PLANNED.deadline + Duration::from_secs(1)), "{:?}", begun.elapsed());
    }
}
