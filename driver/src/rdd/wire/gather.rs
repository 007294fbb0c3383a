use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use howdah_proto::{
    Partition,
    pb::{self, run_failed::Kind, run_reply::Reply},
};

use crate::rdd::ContextError;

/// The results of a job's partitions, in their order.
pub(in crate::rdd) type Gathered = BTreeMap<Partition, Bytes>;

/// Gathers what a driver says about a job: pure.
#[derive(Debug)]
pub(in crate::rdd) struct Outcome {
    job: String,
    pieces: BTreeMap<Partition, Pieces>,
}

#[derive(Debug, Default)]
struct Pieces {
    data: Vec<Bytes>,
    whole: bool,
}

impl Outcome {
    /// Begins with nothing, for a job of this name.
    pub(in crate::rdd) fn new(job: String) -> Self {
        Self { job, pieces: BTreeMap::new() }
    }

    /// Takes a reply. The job's end comes back.
    pub(in crate::rdd) fn on_reply(
        &mut self,
        reply: Option<Reply>,
    ) -> Result<Option<pb::RunFinished>, ContextError> {
        match reply {
            Some(Reply::Parts(parts)) => {
                for part in parts.parts {
                    let pieces = self.pieces.entry(Partition(part.partition)).or_default();
                    pieces.data.push(part.data);
                    pieces.whole = part.last;
                }
                Ok(None)
            }
            Some(Reply::Progress(progress)) if !progress.waiting.is_empty() => {
                tracing::warn!(job = self.job, "{}", progress.waiting);
                Ok(None)
            }
            Some(Reply::Started(_) | Reply::Progress(_)) | None => Ok(None),
            Some(Reply::Finished(finished)) => Ok(Some(finished)),
            Some(Reply::Failed(failed)) => Err(failure(self.job.clone(), failed)),
        }
    }

    /// The results, once the job has finished; the first partition of which a piece is lacking otherwise.
    pub(in crate::rdd) fn finish(
        self,
        wanted: impl Iterator<Item = Partition>,
    ) -> Result<Gathered, Partition> {
        let mut pieces = self.pieces;
        let whole = wanted.map(|partition| match pieces.remove(&partition) {
            Some(Pieces { data, whole: true }) => Ok((partition, join(data))),
            _ => Err(partition),
        });
        whole.collect()
    }
}

fn join(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}

fn failure(job: String, failed: pb::RunFailed) -> ContextError {
    let kind = failed.kind();
    let pb::RunFailed { error, hint, .. } = failed;
    match kind {
        Kind::Cancelled => ContextError::Cancelled { job, reason: error },
        Kind::ResultTooLarge => ContextError::ResultTooLarge { job, error, hint },
        Kind::NoExecutor => ContextError::NoExecutor { job, error, hint },
        Kind::Failed | Kind::BadRequest | Kind::Unspecified => ContextError::Failed { job, error, hint },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(partition: u32, data: &'static str, last: bool) -> pb::Part {
        pb::Part { partition, data: data.into(), last }
    }

    fn gathered(parts: Vec<pb::Part>, wanted: &[u32]) -> Result<Vec<String>, u32> {
        let mut outcome = Outcome::new("test".to_owned());
        outcome.on_reply(Some(Reply::Parts(pb::Parts { parts }))).unwrap();
        let gathered = outcome.finish(wanted.iter().copied().map(Partition)).map_err(|lacking| lacking.0)?;
        Ok(gathered.values().map(|data| String::from_utf8(data.to_vec()).unwrap()).collect())
    }

    #[test]
    fn pieces_that_come_in_any_order_of_partitions_become_whole_results() {
        let parts = vec![part(1, "c", false), part(0, "ab", true), part(1, "d", true)];
        assert_eq!(gathered(parts, &[0, 1]).unwrap(), ["ab", "cd"]);
    }

    #[test]
    fn a_result_that_lacks_its_end_is_missed() {
        assert_eq!(gathered(vec![part(0, "a", false)], &[0]), Err(0));
        assert_eq!(gathered(vec![part(0, "a", true)], &[0, 3]), Err(3));
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        let mut outcome = Outcome::new("sum".to_owned());
        let failed = |kind: Kind| pb::RunFailed { kind: kind.into(), error: "e".into(), hint: "h".into() };
        let mut error = |kind| outcome.on_reply(Some(Reply::Failed(failed(kind)))).unwrap_err();
        assert!(matches!(error(Kind::Cancelled), ContextError::Cancelled { .. }));
        assert!(matches!(error(Kind::ResultTooLarge), ContextError::ResultTooLarge { .. }));
        assert!(matches!(error(Kind::NoExecutor), ContextError::NoExecutor { .. }));
        assert!(matches!(error(Kind::BadRequest), ContextError::Failed { .. }));
    }
}
