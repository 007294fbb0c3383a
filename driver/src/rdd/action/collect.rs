use howdah_executor::rdd::{Data, ForEach, Kind as FunctionKind, spec_of};
use howdah_proto::pb::{CollectAction, action::Kind};

use super::rounds::Rounds;
use crate::rdd::{ContextError, Rdd, records};

/// # Records brought back
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let numbers = context.range(0..100, 10);
/// assert_eq!(numbers.collect().await?.len(), 100);
/// assert_eq!(numbers.count().await?, 100);
/// assert_eq!(numbers.take(3).await?, [0, 1, 2]);
/// assert_eq!(numbers.first().await?, 0);
/// assert!(matches!(context.empty::<i64>().first().await, Err(ContextError::Empty { .. })));
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// All records, in order. They must fit into this program's memory, and into the limit of results.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn collect(&self) -> Result<Vec<T>, ContextError> {
        let mut items = Vec::new();
        for frames in self.act("collect", Kind::Collect(CollectAction {})).await?.values() {
            records::decode_frames("collect", frames, usize::MAX, &mut items)?;
        }
        Ok(items)
    }

    /// The number of records.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn count(&self) -> Result<u64, ContextError> {
        let all = 0..self.plan()?.partitions;
        Ok(self.counts("count", all).await?.iter().sum())
    }

    /// The first records: at most so many. Only as many partitions are computed as seem to be needed.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn take(&self, count: usize) -> Result<Vec<T>, ContextError> {
        self.take_for("take", count).await
    }

    /// The first record.
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Empty`] if there is none.
    pub async fn first(&self) -> Result<T, ContextError> {
        self.take_for("first", 1).await?.pop().ok_or(ContextError::Empty { action: "first" })
    }

    /// Whether there is no record.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn is_empty(&self) -> Result<bool, ContextError> {
        Ok(self.take_for("is_empty", 1).await?.is_empty())
    }

    /// Hands each record to a function where it is. What the function does is done again when a task is tried again.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn for_each<F: ForEach<Record = T>>(&self, function: F) -> Result<(), ContextError> {
        let spec = spec_of(&function);
        self.checked("for_each", &spec, FunctionKind::ForEach)?;
        self.act("for_each", Kind::ForEach((&spec).into())).await?;
        Ok(())
    }

    async fn take_for(&self, what: &'static str, count: usize) -> Result<Vec<T>, ContextError> {
        let mut rounds = Rounds::new(count as u64, self.plan()?.partitions);
        let mut items = Vec::new();
        while let Some(partitions) = rounds.next() {
            let end = partitions.end;
            let before = items.len();
            for frames in self.act_on(what, partitions, Kind::Take(rounds.lacking())).await?.values() {
                records::decode_frames(what, frames, count, &mut items)?;
            }
            rounds.found((items.len() - before) as u64, end);
        }
        Ok(items)
    }
}
