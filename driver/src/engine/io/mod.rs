//! What the engine has done that takes time, one file per kind of it.

mod ask;
mod dataset;
pub(super) mod fit;
#[cfg(test)]
mod fixture;
mod forget;
mod live;
mod shard;
mod snapshot;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use howdah_executor::rdd::Registry;
use howdah_proto::JobId;
use tokio::sync::{mpsc, watch};

pub(super) use live::Live;

use super::{Input, IoRequest, IoResult};
use crate::{prepared, snapshot::Store};

/// Does what takes time in tasks of its own, and hands the results back to the engine.
#[derive(Debug, Clone)]
pub(super) struct Io {
    inputs: mpsc::WeakSender<Input>,
    work_dir: PathBuf,
    registry: Arc<Registry>,
    live: watch::Receiver<Live>,
    /// Held while pictures are drawn.
    drawing: Arc<Mutex<()>>,
}

impl Io {
    pub(super) fn new(
        inputs: mpsc::WeakSender<Input>,
        work_dir: PathBuf,
        registry: Arc<Registry>,
        live: watch::Receiver<Live>,
    ) -> Self {
        Self { inputs, work_dir, registry, live, drawing: Arc::default() }
    }

    pub(super) fn start(&self, job: JobId, request: IoRequest) {
        let this = self.clone();
        tokio::spawn(async move { this.perform(job, request).await });
    }

    async fn report(&self, job: JobId, result: IoResult) {
        if let Some(inputs) = self.inputs.upgrade() {
            // The engine has stopped if this fails, and needs no result any more.
            let _ = inputs.send(Input::Io { job, result }).await;
        }
    }

    async fn perform(&self, job: JobId, request: IoRequest) {
        let result = match request {
            IoRequest::ListDataset { settings } => {
                if let Some(to) = &settings.prepare
                    && let Err(error) = prepared::check_empty(&to.location).await
                {
                    return self.report(job, IoResult::Dataset(Err(error.to_string()))).await;
                }
                let (root, drawing) = (self.work_dir.join("synthetic"), Arc::clone(&self.drawing));
                let listed =
                    tokio::task::spawn_blocking(move || dataset::list(&settings, &root, &drawing)).await;
                listed.unwrap_or_else(|error| IoResult::Dataset(Err(error.to_string())))
            }
            IoRequest::CommitPrepared { location, manifest } => {
                let committed = prepared::commit(&location, &manifest).await;
                IoResult::Committed(committed.map_err(|error| error.to_string()))
            }
            IoRequest::Fit(request) => {
                let (place, registry) = (request.place, self.registry.clone());
                let fitted = tokio::task::spawn_blocking(move || fit::fit(&registry, *request)).await;
                IoResult::Fitted { place, fitted: fitted.unwrap_or_else(|error| Err(error.to_string())) }
            }
            IoRequest::FindSnapshots { location } => {
                let found = async { Store::open(&location)?.find().await };
                IoResult::SnapshotsFound(found.await)
            }
            IoRequest::ReadSnapshot { location } => {
                let read = async { Store::open(&location)?.newest().await };
                IoResult::SnapshotRead(Box::new(read.await))
            }
            IoRequest::MakeShards(make) => return shard::make(self, job, *make).await,
            IoRequest::Shard(request) => shard::ask(job, request).await,
            IoRequest::Ask { ticket, places, question } => {
                IoResult::Answer(ticket, ask::ask(job, places, question).await)
            }
            IoRequest::Snapshot(request) => {
                let snapshot = request.manifest.snapshot;
                let planned = self.report(job, IoResult::SnapshotPlanned(snapshot));
                let taken = snapshot::take(job, *request, planned).await;
                IoResult::SnapshotTaken(snapshot, Box::new(taken))
            }
            IoRequest::Untag { places, tag } => return forget::untag(job, places, tag).await,
            IoRequest::ForgetReplicas { servers, executor } => {
                return forget::replicas(self.live.clone(), job, servers, executor).await;
            }
            IoRequest::DropReplaced { servers, places } => {
                return forget::replaced(self.live.clone(), job, servers, places).await;
            }
            IoRequest::DropShards { servers } => {
                return forget::shards(self.live.clone(), job, servers).await;
            }
        };
        self.report(job, result).await;
    }
}
