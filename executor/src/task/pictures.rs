use howdah_proto::pb;

use super::{Run, TaskError};
use crate::{
    prepared::PreparedBlock,
    rdd::{Chain, OperatorError, PictureMeta, Record, Samples, ViewChain},
    source::{FileReader, SourceError},
};

/// Progress is reported at most this often.
pub(super) const REPORT_EVERY_PICTURES: u64 = 64;

/// Reads the first `pictures` files of the task, sends them through a chain, and hands the name and the views of each to `take`;
/// returns those that can't be used.
pub(super) fn each_picture(
    run: &Run<'_>,
    chain: Chain,
    pictures: usize,
    progress: &dyn Fn(u64, u64),
    mut take: impl FnMut(&str, &[Record]) -> Result<(), TaskError>,
) -> Result<Vec<pb::SkippedFile>, TaskError> {
    let mut way = ViewChain::new(chain, run.task.views.contexts());
    let files = run.task.files.get(..pictures).unwrap_or(&run.task.files);
    let mut skipped = Vec::new();
    let (driver, runtime) = (run.driver.clone(), run.environment.runtime.clone());
    let mut reader = FileReader::new(files, run.job.job, driver, runtime);
    let mut done = 0;
    while let Some(file) = reader.read_next()? {
        run.cancel.check()?;
        let entry = &files[file.place];
        let meta = PictureMeta { key: u64::from(entry.index), label: entry.label };
        let prepared = match file.content {
            Ok(bytes) => way.views(Record::Encoded { meta, bytes }),
            Err(reason) => Err(OperatorError::Unusable(reason)),
        };
        match prepared {
            Ok(views) => take(&entry.path, views)?,
            Err(OperatorError::Unusable(reason)) => {
                let (path, index) = (entry.path.clone(), entry.index);
                skipped.push(pb::SkippedFile { path, reason, index });
            }
            Err(other) => return Err(other.into()),
        }
        done += 1;
        if done % REPORT_EVERY_PICTURES == 0 {
            progress(done, files.len() as u64);
        }
    }
    Ok(skipped)
}

/// Reads the rows of a block from the shards of a prepared set, one after the other.
pub(super) fn read_shards(
    run: &Run<'_>,
    block: &PreparedBlock,
    progress: &dyn Fn(u64, u64),
) -> Result<Samples, TaskError> {
    let files = &run.task.files;
    let (driver, runtime) = (run.driver.clone(), run.environment.runtime.clone());
    let mut reader = FileReader::new(files, run.job.job, driver, runtime).one_at_a_time();
    let mut samples = Samples::with_capacity(block.most_pictures());
    while let Some(file) = reader.read_next()? {
        run.cancel.check()?;
        let name = || files[file.place].path.clone();
        let content =
            file.content.map_err(|reason| SourceError(format!("{} can't be read: {reason}", name())))?;
        block
            .take(file.place, &content, &mut samples)
            .map_err(|error| TaskError::Shard { file: name(), error })?;
        progress(samples.len() as u64, block.most_pictures() as u64);
    }
    Ok(samples)
}
