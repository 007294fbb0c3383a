use howdah_executor::rdd::{Aggregate, Combine, Data, Kind, Reduce, spec_of};
use howdah_proto::lineage::{NodeKind, OperatorSpec, Order};

use crate::rdd::{
    ContextError, Rdd,
    lineage::{Build, By, Made, Plan, Target},
};

/// # The values of each key merged
///
/// Values are merged where they are before they travel.
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError, Sum};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let sales = context.parallelize([('a', 1), ('b', 2), ('a', 3)], 1);
/// assert_eq!(sales.reduce_by_key(Sum::default()).collect().await?, [('a', 4), ('b', 2)]);
/// # Ok(())
/// # }
/// ```
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Makes one value of those of each key.
    pub fn reduce_by_key<F: Reduce<Value = V>>(&self, function: F) -> Self {
        self.combined("reduce_by_key", spec_of(&function), Kind::Reduce)
    }

    /// Makes one value of those of each key, beginning with the function's zero wherever some are merged.
    pub fn fold_by_key<F: Aggregate<Value = V, Accumulator = V>>(&self, function: F) -> Self {
        self.combined("fold_by_key", spec_of(&function), Kind::Aggregate)
    }

    /// Gathers the values of each key in an accumulator.
    pub fn aggregate_by_key<F: Aggregate<Value = V>>(&self, function: F) -> Rdd<(K, F::Accumulator)> {
        self.combined("aggregate_by_key", spec_of(&function), Kind::Aggregate)
    }

    /// Gathers the values of each key in something that begins with the first of them.
    pub fn combine_by_key<F: Combine<Value = V>>(&self, function: F) -> Rdd<(K, F::Combined)> {
        self.combined("combine_by_key", spec_of(&function), Kind::Combine)
    }

    fn combined<C>(&self, what: &'static str, combiner: OperatorSpec, kind: Kind) -> Rdd<(K, C)> {
        self.derive(what, |build, plan| {
            build.registered(&combiner, kind)?;
            let plan = build.pairs(plan)?;
            merged(build, &plan, combiner)
        })
    }
}

/// Merges the values of each key: as they lie if they lie together, and through a shuffle otherwise.
fn merged(build: &mut Build<'_>, plan: &Plan, combiner: OperatorSpec) -> Result<Plan, ContextError> {
    let target = Target::choose(By::Key, plan.wished, &[(&plan.layout, plan.partitions)]);
    if target.is_met(By::Key, &plan.layout, plan.partitions) {
        return build.add(NodeKind::Combine { combiner, combined: false }, &[plan], Made::like(plan));
    }
    build.shuffle(plan, By::Key, &target, Order::KeyAscending, Some(combiner))
}
