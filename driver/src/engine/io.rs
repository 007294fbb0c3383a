use std::{fs, io, path::PathBuf};

use bytes::Bytes;
use howdah_executor::{
    learn::{Model, Network, initial_weights},
    vision::synthetic,
};
use howdah_paramserver::client::{Parameters, Patience, Values, Version};
use howdah_proto::{
    JobId,
    event::ShardReport,
    pb,
    settings::{DataSettings, TrainSettings, UpdateRule},
};
use tokio::sync::mpsc;

use super::{Collect, Input, IoRequest, IoResult};
use crate::{
    dataset::{self, Dataset},
    train::Collected,
};

/// Does what takes time in tasks of its own, and hands the results back to the engine.
#[derive(Debug, Clone)]
pub(super) struct Io {
    inputs: mpsc::WeakSender<Input>,
    work_dir: PathBuf,
}

impl Io {
    pub(super) fn new(inputs: mpsc::WeakSender<Input>, work_dir: PathBuf) -> Self {
        Self { inputs, work_dir }
    }

    pub(super) fn start(&self, job: JobId, request: IoRequest) {
        let this = self.clone();
        tokio::spawn(async move {
            let Some(result) = this.perform(job, request).await else { return };
            if let Some(inputs) = this.inputs.upgrade() {
                // The engine has stopped if this fails, and needs no result any more.
                let _ = inputs.send(Input::Io { job, result }).await;
            }
        });
    }

    async fn perform(&self, job: JobId, request: IoRequest) -> Option<IoResult> {
        match request {
            IoRequest::ListDataset { settings } => {
                // A folder of its own, because jobs may draw different sets at the same time.
                let root = self.work_dir.join("synthetic").join(format!("job-{job}"));
                let listed = tokio::task::spawn_blocking(move || list(&settings, root)).await;
                Some(IoResult::Dataset(listed.unwrap_or_else(|error| Err(error.to_string()))))
            }
            IoRequest::CreateShards { places, rule, network, seed } => {
                let created = create(job, places, rule, network, seed).await;
                Some(IoResult::ShardsCreated(created))
            }
            IoRequest::Tag { places, tag } => {
                let tagged = async { shards(job, places)?.tag(tag).await.map_err(|error| error.to_string()) };
                Some(IoResult::Tagged(tag, tagged.await))
            }
            IoRequest::Untag { places, tag } => {
                let untagged =
                    async { shards(job, places)?.untag(tag).await.map_err(|error| error.to_string()) };
                if let Err(error) = untagged.await {
                    tracing::warn!(%job, tag, %error, "the shards keep a tag that is no longer needed");
                }
                None
            }
            IoRequest::Collect(request) => Some(IoResult::Collected(collect(job, *request).await)),
            IoRequest::DropShards { places } => {
                let dropped =
                    async { shards(job, places)?.drop_job().await.map_err(|error| error.to_string()) };
                if let Err(error) = dropped.await {
                    tracing::info!(%job, %error, "shards of an ended job could not be dropped");
                }
                None
            }
        }
    }
}

fn shards(job: JobId, places: Vec<pb::ShardPlace>) -> Result<Parameters, String> {
    Parameters::new(job, places, Patience::default()).map_err(|error| error.to_string())
}

fn list(settings: &TrainSettings, root: PathBuf) -> Result<Dataset, String> {
    if let DataSettings::Synthetic { pictures } = settings.data {
        // An earlier driver may have drawn a larger set there.
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("can't empty {}: {error}", root.display()));
            }
            _ => {}
        }
        synthetic::write_set(&root, pictures, settings.seed, |_| {}).map_err(|error| error.to_string())?;
    }
    dataset::list_for(&settings.data, &root).map_err(|error| error.to_string())
}

async fn create(
    job: JobId,
    places: Vec<pb::ShardPlace>,
    rule: UpdateRule,
    network: Option<Network>,
    seed: u64,
) -> Result<(), String> {
    let shards = shards(job, places)?;
    shards.create(&rule).await.map_err(|error| error.to_string())?;
    let Some(network) = network else { return Ok(()) };
    let weights = tokio::task::spawn_blocking(move || initial_weights(&network, seed))
        .await
        .map_err(|error| error.to_string())?;
    shards.write(&Values::from(weights)).await.map_err(|error| error.to_string())
}

async fn collect(job: JobId, request: Collect) -> Result<(Collected, Bytes), String> {
    let shards = shards(job, request.places.clone())?;
    let network = Network::new(&request.settings.network, request.features as usize, request.classes.len())
        .map_err(|error| error.to_string())?;
    let mut weights = vec![0.0; network.parameters()];
    shards.pull(&mut weights, Version::Tag(request.tag)).await.map_err(|error| error.to_string())?;
    let status = shards.status().await.map_err(|error| error.to_string())?;
    let reports = request.places.iter().zip(status).map(|(place, status)| {
        let range = place.start as usize..(place.start + place.len) as usize;
        report(&status, weights.get(range).unwrap_or_default(), request.counting)
    });
    let collected = Collected { shards: reports.collect() };
    let model = Model {
        network,
        classes: request.classes,
        pipeline: request.settings.pipeline.clone(),
        settings: serde_json::to_value(&*request.settings).map_err(|error| error.to_string())?,
        weights,
    };
    let bytes = tokio::task::spawn_blocking(move || model.to_bytes())
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    Ok((collected, bytes.into()))
}

fn report(status: &pb::ShardStatus, weights: &[f32], counting: bool) -> ShardReport {
    let smallest = weights.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    ShardReport {
        values: status.values,
        batches_applied: status.steps_applied,
        pushes_applied: status.pushes_applied,
        pushes_repeated: status.pushes_repeated,
        pushes_superseded: status.pushes_superseded,
        pushes_out_of_order: status.pushes_out_of_order,
        // Counts are whole; a fraction would round to a count that does not match.
        counted: counting.then_some((smallest.floor() as u64, largest.ceil() as u64)),
    }
}
