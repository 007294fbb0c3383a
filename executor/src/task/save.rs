use howdah_paramserver::stores::Folder;
use howdah_proto::pb;

use super::{
    Outcome, Run, TaskError,
    block::{self, Plan},
    spec::SaveWork,
};
use crate::{
    prepared::{HEADER_BYTES, encode},
    source::MAX_FILE_BYTES,
};

/// About how large a shard is: small enough that several are read beside a block, large enough for an object store.
const SHARD_BYTES: u64 = 32 << 20;

/// Writes the block of a partition as shards. Each attempt writes files of its own names, so that no attempt can
/// change what another has reported.
pub(super) fn run(run: &Run<'_>, work: &SaveWork) -> Result<Outcome, TaskError> {
    let plan = Plan::to(&run.job.lineage, work.node)?;
    let found = block::find(run, &plan)?;
    let (samples, folder) = (&found.samples, Folder::open(&work.location)?);
    let each = samples.picture_bytes();
    if each.saturating_add(HEADER_BYTES) > MAX_FILE_BYTES {
        return Err(TaskError::Lineage(work.node, "a prepared picture takes more than a file may have"));
    }
    let step = usize::try_from(SHARD_BYTES / each.max(1)).unwrap_or(usize::MAX).max(1);
    let mut shards = Vec::new();
    for start in (0..samples.len()).step_by(step) {
        run.cancel.check()?;
        let pictures = start..samples.len().min(start.saturating_add(step));
        let Some((content, info)) = encode(work.set, samples, &pictures) else { continue };
        let (partition, attempt) = (run.task.partition, run.task.attempt.attempt);
        let file = format!("{:05}-{attempt}-{:04}.samples", partition.0, shards.len());
        let bytes = content.len() as u64;
        run.environment.runtime.block_on(folder.write(&file, content))?;
        let spread = samples.spread_of(&pictures);
        shards.push(pb::SavedSamples {
            file,
            bytes,
            shard: Some((&info).into()),
            values: spread.values,
            mean: spread.mean,
            squares: spread.squares,
        });
        (run.progress)(pictures.end as u64, samples.len() as u64);
    }
    Ok(Outcome {
        result: pb::attempt_succeeded::Result::Saved(pb::BlockSaved { shards }),
        stored: found.stored.into_iter().collect(),
    })
}
