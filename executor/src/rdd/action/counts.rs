use std::collections::HashMap;

use bytes::Bytes;

use super::{ResultLimit, result::Writing};
use crate::rdd::{Batch, RddError, Row, Rows, codec};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Keys,
    Records,
    /// The pairs that were counted before.
    Counts,
}

/// Bytes that a count takes in memory beside its key, about.
const ENTRY_BYTES: usize = 64;

/// Counts how often each key or record comes.
pub(super) fn run(rows: &mut dyn Rows, of: Of, limit: ResultLimit) -> Result<Bytes, RddError> {
    let mut counts: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut bytes = 0;
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            let (key, times) = counted(row, of)?;
            if let Some(count) = counts.get_mut(key) {
                *count = count.saturating_add(times);
                continue;
            }
            bytes += key.len() + ENTRY_BYTES;
            limit.check(bytes)?;
            counts.insert(key.to_vec(), times);
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    let mut out = Writing::new(limit);
    let mut batch = Batch::new();
    for (key, count) in counts {
        batch.push_pair(&key, &[&count.to_be_bytes()])?;
        if batch.is_full() {
            out.add(&batch)?;
            batch.clear();
        }
    }
    out.add(&batch)?;
    Ok(out.finish())
}

fn counted(row: Row<'_>, of: Of) -> Result<(&[u8], u64), RddError> {
    match of {
        Of::Records => Ok((row.bytes(), 1)),
        Of::Keys if row.is_pair() => Ok((row.key(), 1)),
        Of::Keys => Err(RddError::Codec {
            function: "count by key".to_owned(),
            reason: "a record is no pair".to_owned(),
        }),
        Of::Counts => {
            let times = codec::decode(row.value()).map_err(|error| error.of("count"))?;
            Ok((row.key(), times))
        }
    }
}
