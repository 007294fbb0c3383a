use std::{sync::Arc, time::Instant};

use howdah_proto::{BlockId, NodeId, pb};

use super::{
    Outcome, Run, TaskError,
    block::Plan,
    pictures::{each_picture, read_shards},
};
use crate::rdd::{Chain, Record, Samples};

/// A computed block, and the pictures that are not in it.
pub(super) struct Computed {
    pub(super) samples: Arc<Samples>,
    pub(super) skipped: Vec<pb::SkippedFile>,
    pub(super) stored: Option<BlockId>,
}

/// Computes the persisted block on the way to `node` and says how many features a sample will have.
pub(super) fn run(run: &Run<'_>, node: NodeId) -> Result<Outcome, TaskError> {
    let started = Instant::now();
    let plan = Plan::to(&run.job.lineage, node)?;
    let computed = compute(run, &plan, run.progress)?;
    let mut feed = Chain::build(&run.environment.registry, plan.feed)?;
    let features = computed.samples.row(0, 0).map_or(Ok(0), |row| feed.width(&row))?;
    tracing::debug!(task = %run.task.attempt, seconds = started.elapsed().as_secs_f64(), "computed a block");
    Ok(Outcome {
        result: pb::attempt_succeeded::Result::Computed(pb::BlockComputed {
            samples: computed.samples.len() as u64,
            bytes: computed.samples.bytes() as u64,
            skipped: computed.skipped,
            features: u32::try_from(features).map_err(|_| TaskError::Lineage(node, "too many features"))?,
        }),
        stored: computed.stored.into_iter().collect(),
    })
}

/// Computes the persisted block from the pictures, or reads it from the shards that have it, and puts it into the
/// store.
pub(super) fn compute(
    run: &Run<'_>,
    plan: &Plan<'_>,
    progress: &dyn Fn(u64, u64),
) -> Result<Computed, TaskError> {
    let (samples, skipped) = match &run.task.prepared {
        Some(block) => (read_shards(run, block, progress)?, Vec::new()),
        None => {
            let chain = Chain::build(&run.environment.registry, plan.prepare.iter().copied())?;
            let pictures = run.task.files.len();
            let mut samples = Samples::with_capacity(pictures);
            let mut take = |name: &str, views: &[Record]| Ok(samples.push(name, views)?);
            let skipped = each_picture(run, chain, pictures, progress, &mut take)?;
            (samples, skipped)
        }
    };
    let samples = Arc::new(samples);
    let id = BlockId { context: run.job.blocks, node: plan.block, partition: run.task.partition };
    let is_stored = run.environment.store.put(id, plan.place, samples.clone());
    Ok(Computed { samples, skipped, stored: is_stored.then_some(id) })
}
