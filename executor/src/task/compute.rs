use std::{sync::Arc, time::Instant};

use howdah_proto::{BlockId, NodeId, pb};

use super::{Outcome, Run, TaskError, block::Plan};
use crate::{
    rdd::{Augmentation, Chain, OperatorError, PictureMeta, Record, RecordContext, Samples},
    source::FileReader,
};

/// Progress is reported at most this often.
const REPORT_EVERY_PICTURES: u64 = 64;

/// A computed block, and the pictures that are not in it.
pub(super) struct Computed {
    pub(super) samples: Arc<Samples>,
    pub(super) skipped: Vec<pb::SkippedFile>,
    pub(super) stored: Option<BlockId>,
    pub(super) evicted: Vec<BlockId>,
}

/// Computes the persisted block on the way to `node` and says how many features a sample will have.
pub(super) fn run(run: &Run<'_>, node: NodeId) -> Result<Outcome, TaskError> {
    let started = Instant::now();
    let plan = Plan::to(&run.job.lineage, node)?;
    let computed = compute(run, &plan, run.progress)?;
    let mut feed = Chain::build(&run.environment.registry, plan.feed)?;
    let features = match computed.samples.row(0) {
        Some(row) => features_of(&mut feed, &computed.samples, row, &RecordContext::default())?.len(),
        None => 0,
    };
    tracing::debug!(task = %run.task.attempt, seconds = started.elapsed().as_secs_f64(), "computed a block");
    Ok(Outcome {
        result: pb::attempt_succeeded::Result::Computed(pb::BlockComputed {
            samples: computed.samples.len() as u64,
            bytes: computed.samples.bytes() as u64,
            skipped: computed.skipped,
            features: u32::try_from(features).map_err(|_| TaskError::Lineage(node, "too many features"))?,
        }),
        stored: computed.stored.into_iter().collect(),
        evicted: computed.evicted,
    })
}

/// Computes the persisted block from the pictures and puts it into the store.
pub(super) fn compute(
    run: &Run<'_>,
    plan: &Plan<'_>,
    progress: &dyn Fn(u64, u64),
) -> Result<Computed, TaskError> {
    let mut chain = Chain::build(&run.environment.registry, plan.prepare.iter().copied())?;
    let files = &run.task.files;
    let total = files.len() as u64;
    let mut samples = Samples::with_capacity(files.len());
    let mut skipped = Vec::new();
    let (driver, runtime) = (run.driver.clone(), run.environment.runtime.clone());
    let mut reader = FileReader::new(files, run.job.job, driver, runtime);
    let mut done = 0;
    while let Some(file) = reader.read_next()? {
        run.cancel.check()?;
        let entry = &files[file.place];
        let meta =
            PictureMeta { key: u64::from(entry.index), label: entry.label, name: entry.path.as_str().into() };
        let prepared = match file.content {
            Ok(bytes) => chain.apply(Record::Encoded { meta, bytes }, &RecordContext::default()),
            Err(reason) => Err(OperatorError::Unusable(reason)),
        };
        match prepared {
            Ok(Record::Picture { meta, picture }) => samples.push(&meta, &picture)?,
            Ok(other) => {
                return Err(OperatorError::Mismatch {
                    operator: "persist",
                    expected: "a decoded picture",
                    got: other.kind(),
                }
                .into());
            }
            Err(OperatorError::Unusable(reason)) => {
                skipped.push(pb::SkippedFile { path: entry.path.clone(), reason });
            }
            Err(mismatch) => return Err(mismatch.into()),
        }
        done += 1;
        if done % REPORT_EVERY_PICTURES == 0 {
            progress(done, total);
        }
    }
    let samples = Arc::new(samples);
    let id = BlockId { context: run.job.job.into(), node: plan.block, partition: run.task.partition };
    let put = run.environment.store.put(id, samples.clone());
    Ok(Computed { samples, skipped, stored: put.stored.then_some(id), evicted: put.evicted })
}

/// Sends one row of a block through the feed to its features.
pub(super) fn features_of(
    feed: &mut Chain,
    samples: &Samples,
    (pixels, label, key): (&[u8], u32, u64),
    context: &RecordContext,
) -> Result<Vec<f32>, TaskError> {
    let record = samples.record(pixels, label, key);
    match feed.apply(record, context)? {
        Record::Features { values, .. } => Ok(values),
        other => {
            Err(OperatorError::Mismatch { operator: "network", expected: "features", got: other.kind() }
                .into())
        }
    }
}

/// What augmentation depends on in a training task.
pub(super) fn augmented(seed: u64, epoch: howdah_proto::Epoch) -> RecordContext {
    RecordContext { augmentation: Some(Augmentation { seed, epoch }) }
}
