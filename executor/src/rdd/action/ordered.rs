use std::{cmp::Ordering, collections::BinaryHeap};

use bytes::Bytes;

use super::{End, ResultLimit, result::Writing};
use crate::rdd::{Batch, RddError, Row, Rows};

/// A record in a heap whose top is the one that goes first when a better one comes.
struct Entry {
    bytes: Vec<u8>,
    pair: bool,
    end: End,
}

fn compare(end: End, left: &[u8], right: &[u8]) -> Ordering {
    match end {
        End::Smallest => left.cmp(right),
        End::Largest => right.cmp(left),
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.end, &self.bytes, &other.bytes)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// Gathers so many of the smallest or largest records, in the memory of as many.
pub(super) fn run(
    rows: &mut dyn Rows,
    records: u64,
    end: End,
    limit: ResultLimit,
) -> Result<Bytes, RddError> {
    let most = usize::try_from(records).unwrap_or(usize::MAX);
    let mut heap: BinaryHeap<Entry> = BinaryHeap::new();
    let mut bytes = 0;
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            if heap.len() < most {
                bytes += row.bytes().len();
                limit.check(bytes)?;
                heap.push(Entry { bytes: row.bytes().to_vec(), pair: row.is_pair(), end });
            } else if let Some(mut worst) = heap.peek_mut()
                && compare(end, row.bytes(), &worst.bytes).is_lt()
            {
                bytes = bytes - worst.bytes.len() + row.bytes().len();
                limit.check(bytes)?;
                worst.bytes.clear();
                worst.bytes.extend_from_slice(row.bytes());
                worst.pair = row.is_pair();
            }
        }
    }
    let mut out = Writing::new(limit);
    let mut batch = Batch::new();
    for entry in heap.into_sorted_vec() {
        let pair = Some(&entry.bytes).filter(|_| entry.pair).and_then(|bytes| Row::pair(bytes));
        batch.push(pair.unwrap_or(Row::whole(&entry.bytes)))?;
        if batch.is_full() {
            out.add(&batch)?;
            batch.clear();
        }
    }
    out.add(&batch)?;
    Ok(out.finish())
}
