use howdah_executor::rdd::Data;
use howdah_proto::lineage::{Group, NodeKind};

use crate::rdd::{
    ContextError, Rdd,
    lineage::{Build, By, Made, Plan},
};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The values of each key as one list. Rather reduce or aggregate them if that is possible: then less travels.
    ///
    /// ```
    /// # use howdah_driver::rdd::{Context, ContextError};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), ContextError> {
    /// # let context = Context::builder().in_process(1).start().await?;
    /// let pairs = context.parallelize([('a', 1), ('b', 2), ('a', 3)], 1);
    /// assert_eq!(pairs.group_by_key().collect().await?, [('a', vec![1, 3]), ('b', vec![2])]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn group_by_key(&self) -> Rdd<(K, Vec<V>)> {
        self.derive("group_by_key", |build, plan| {
            let plan = build.pairs(plan)?;
            grouped(build, Group::Values, &[plan])
        })
    }

    /// The pairs whose key `other` lacks.
    pub fn subtract_by_key<W: Data>(&self, other: &Rdd<(K, W)>) -> Self {
        self.derive_with(other, "subtract_by_key", |build, left, right| {
            let plans = [build.pairs(left)?, build.pairs(right)?];
            grouped(build, Group::Subtract, &plans)
        })
    }
}

/// Brings the pairs of each key together.
pub(super) fn grouped(build: &mut Build<'_>, group: Group, plans: &[Plan]) -> Result<Plan, ContextError> {
    let plans = build.meet(By::Key, plans)?;
    let Some(first) = plans.first() else { return Err(build.wrong("it needs an RDD")) };
    let made = Made::like(first);
    build.add(NodeKind::Group(group), &plans.iter().collect::<Vec<_>>(), made)
}
