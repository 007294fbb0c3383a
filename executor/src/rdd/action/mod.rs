//! What a task does with the records of a partition, and how the driver puts the results together.
//!
//! A result is bytes; so is what [`merge`] makes of several, in the same form. Records lie in frames of batches.

mod collect;
mod count;
mod counts;
mod fold;
mod for_each;
mod lookup;
mod merge;
mod ordered;
mod result;
mod save;
mod take;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use howdah_proto::{AttemptId, Partition, lineage::OperatorSpec};

pub use merge::merge;
pub use result::{read_count, read_records, read_saved};

use super::{RddError, Registry, Rows};

/// What is done with the records of each partition.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// All records.
    Collect,
    /// How many there are, see [`read_count`].
    Count,
    /// The first so many.
    Take(u64),
    /// So many of the smallest or largest, the most extreme one first.
    Ordered {
        /// How many.
        records: u64,
        /// From which end.
        end: End,
    },
    /// The values of a key.
    Lookup {
        /// The encoded key.
        key: Bytes,
    },
    /// (key, `u64`) for each key, by key.
    CountByKey,
    /// (record, `u64`) for each different record, by record.
    CountByRecord,
    /// All records merged into an accumulator; nothing if there is none.
    Fold {
        /// How they are merged.
        combiner: OperatorSpec,
        /// Whether the records are accumulators of it already.
        combined: bool,
    },
    /// Nothing but its effects.
    ForEach(OperatorSpec),
    /// A file in a folder that [`commit`](super::saved::commit) completes, see [`read_saved`].
    Save {
        /// The folder.
        folder: String,
        /// What tells this writing of it from others.
        token: String,
    },
}

/// Which end of an order is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The smallest records.
    Smallest,
    /// The largest records.
    Largest,
}

/// What a task brings to its action.
#[derive(Debug, Clone, Copy)]
pub struct ActionTask<'a> {
    /// The functions that it may need.
    pub registry: &'a Registry,
    /// The partition.
    pub partition: Partition,
    /// The attempt that it runs in.
    pub attempt: AttemptId,
    /// The most that its result may take.
    pub limit: ResultLimit,
}

/// The most bytes that a result may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResultLimit(pub u64);

impl ResultLimit {
    fn check(self, bytes: usize) -> Result<(), RddError> {
        if bytes as u64 <= self.0 {
            return Ok(());
        }
        Err(RddError::ResultTooLarge { bytes: bytes as u64, limit: self.0 })
    }
}

/// Does with the records of a partition what an action says.
///
/// # Errors
/// [`RddError`].
pub fn run(action: &Action, mut rows: Box<dyn Rows>, task: ActionTask<'_>) -> Result<Bytes, RddError> {
    let rows = &mut *rows;
    match action {
        Action::Collect => collect::run(rows, task.limit),
        Action::Count => count::run(rows),
        Action::Take(records) => take::run(rows, *records, task.limit),
        Action::Ordered { records, end } => ordered::run(rows, *records, *end, task.limit),
        Action::Lookup { key } => lookup::run(rows, key, task.limit),
        Action::CountByKey => counts::run(rows, counts::Of::Keys, task.limit),
        Action::CountByRecord => counts::run(rows, counts::Of::Records, task.limit),
        Action::Fold { combiner, combined } => fold::run(rows, task.registry.combiner(combiner)?, *combined),
        Action::ForEach(function) => for_each::run(rows, task.registry.action(function)?),
        Action::Save { folder, token } => save::run(rows, folder, token, task),
    }
}
