use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    ops::ControlFlow,
};

use howdah_executor::rdd::Data;
use howdah_proto::pb::{CountByAction, action::Kind};

use crate::rdd::{ContextError, Rdd, records};

/// # Counted and looked up by key
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let pairs = context.parallelize([(1, 'a'), (2, 'b'), (1, 'c')], 2);
/// assert_eq!(pairs.count_by_key().await?[&1], 2);
/// assert_eq!(pairs.lookup(&1).await?, ['a', 'c']);
/// # Ok(())
/// # }
/// ```
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// How many pairs each key has.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn count_by_key(&self) -> Result<HashMap<K, u64>, ContextError>
    where
        K: Eq + Hash,
    {
        self.marked("count_by_key").count_by("count_by_key", false).await
    }

    /// The values of a key. If it is known where that is, one partition alone is computed.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn lookup(&self, key: &K) -> Result<Vec<V>, ContextError> {
        let pairs = self.marked("lookup");
        let plan = pairs.plan()?;
        let key = records::encode("lookup", key)?;
        let place = plan.layout.partition_of(&key, plan.partitions).filter(|_| plan.partitions > 0);
        let partitions = place.map_or(0..plan.partitions, |place| place.0..place.0 + 1);
        let mut found = Vec::new();
        for frames in pairs.act_on("lookup", partitions, Kind::Lookup(key.into())).await?.values() {
            records::decode_frames("lookup", frames, usize::MAX, &mut found)?;
        }
        Ok(found)
    }

    /// The same pairs, of which it is known where their keys end.
    fn marked(&self, what: &'static str) -> Self {
        self.derive(what, |build, plan| build.pairs(plan))
    }
}

impl<T: Data> Rdd<T> {
    /// How often each record comes.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn count_by_value(&self) -> Result<HashMap<T, u64>, ContextError>
    where
        T: Eq + Hash,
    {
        self.count_by("count_by_value", true).await
    }

    async fn count_by<K: Data + Eq + Hash>(
        &self,
        what: &'static str,
        whole_record: bool,
    ) -> Result<HashMap<K, u64>, ContextError> {
        // Keys are decoded once each, and not once for each partition that has them.
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for frames in self.act(what, Kind::CountBy(CountByAction { whole_record })).await?.values() {
            records::each_row(what, frames, |row| {
                let count: u64 = records::decode(what, row.value())?;
                match counts.get_mut(row.key()) {
                    Some(sum) => *sum += count,
                    None => drop(counts.insert(row.key().to_vec(), count)),
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        counts.into_iter().map(|(key, count)| Ok((records::decode(what, &key)?, count))).collect()
    }
}
