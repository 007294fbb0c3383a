use bytes::Bytes;
use futures::future::try_join_all;
use howdah_executor::learn::{Model, Network};
use howdah_paramserver::client::{Parameters, Patience, ShardClient, Wanted};
use howdah_proto::{JobId, event::ShardReport, pb};

use crate::{
    engine::{AskRequest, Collect},
    train::{Answer, Collected},
};

/// Asks all shards of a job something.
pub(super) async fn ask(
    job: JobId,
    places: Vec<pb::ShardPlace>,
    question: AskRequest,
) -> Result<(Answer, Option<Bytes>), String> {
    let shards = shards(job, places, Patience::default())?;
    match question {
        AskRequest::Marks => {
            let marks = try_join_all(shards.shards().iter().map(ShardClient::marks)).await;
            Ok((Answer::Marks(marks.map_err(|error| error.to_string())?), None))
        }
        AskRequest::Tag(tag) => {
            shards.tag(tag).await.map_err(|error| error.to_string())?;
            Ok((Answer::Tagged, None))
        }
        AskRequest::Collect(request) => {
            let (collected, model) = collect(&shards, *request).await?;
            Ok((Answer::Collected(collected), Some(model)))
        }
    }
}

/// A client of all shards of a job.
pub(super) fn shards(
    job: JobId,
    places: Vec<pb::ShardPlace>,
    patience: Patience,
) -> Result<Parameters, String> {
    Parameters::new(job, places, patience).map_err(|error| error.to_string())
}

async fn collect(shards: &Parameters, request: Collect) -> Result<(Collected, Bytes), String> {
    let network = Network::new(&request.settings.network, request.features as usize, request.classes.len())
        .map_err(|error| error.to_string())?;
    let mut weights = vec![0.0; network.parameters()];
    shards.pull(&mut weights, Wanted::Tag(request.tag)).await.map_err(|error| error.to_string())?;
    let status = shards.status().await.map_err(|error| error.to_string())?;
    let clients = shards.shards();
    let reports = clients.iter().zip(status).map(|(shard, status)| {
        let range = shard.place().range.start as usize..shard.place().range.end as usize;
        report(&status, weights.get(range).unwrap_or_default(), request.counting)
    });
    let collected = Collected { shards: reports.collect() };
    let model = Model {
        network,
        classes: request.classes,
        pipeline: request.pipeline,
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
        pushes_late: status.pushes_late,
        staleness: status.staleness.clone(),
        // Counts are whole; a fraction would round to a count that does not match.
        counted: counting.then_some((smallest.floor() as u64, largest.ceil() as u64)),
    }
}
