use std::sync::Arc;

use howdah_executor::rdd::Data;
use howdah_proto::lineage::{Order, Partitioner as Kind};

use crate::rdd::{
    ContextError, Rdd,
    lineage::{By, Target},
    records,
};

/// Which partition a key belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Partitioner(Target);

impl Partitioner {
    /// By its hash: so many partitions.
    pub fn hash(partitions: u32) -> Self {
        Self(Target::hash(partitions))
    }

    /// By its place between bounds: one more partition than there are bounds. A partition has the keys above its lower
    /// bound, up to and with its upper one.
    ///
    /// # Errors
    /// [`ContextError::Encode`] if a bound can't be a key.
    pub fn range<K: Data>(bounds: impl IntoIterator<Item = K>) -> Result<Self, ContextError> {
        let encoded = bounds.into_iter().map(|bound| records::encode("range", &bound));
        let mut bounds = encoded.collect::<Result<Vec<_>, _>>()?;
        bounds.sort_unstable();
        bounds.dedup();
        Ok(Self(ranges(bounds, false)))
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> u32 {
        self.0.partitions
    }
}

/// Partitions between encoded bounds, which ascend.
pub(super) fn ranges(bounds: Vec<Vec<u8>>, descending: bool) -> Target {
    let bounds: Vec<_> = bounds.into_iter().map(Into::into).collect();
    let partitions = bounds.len() as u32 + 1;
    Target { partitioner: Arc::new(Kind::Range { bounds, descending }), partitions }
}

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Sends each pair where its key belongs, and sorts the pairs there. Operations by key that follow find their pairs in
    /// place: RDDs that are partitioned alike are joined without another shuffle.
    ///
    /// ```
    /// # use howdah_driver::rdd::{Context, ContextError, Partitioner};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), ContextError> {
    /// # let context = Context::builder().in_process(1).start().await?;
    /// let ages = context.parallelize([(7, 70), (3, 30), (5, 50)], 2);
    /// let placed = ages.partition_by(&Partitioner::range([3])?);
    /// assert_eq!(placed.glom().collect().await?, [vec![(3, 30)], vec![(5, 50), (7, 70)]]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn partition_by(&self, partitioner: &Partitioner) -> Self {
        self.derive("partition_by", |build, plan| {
            let target = &partitioner.0;
            build.partitions(u64::from(target.partitions))?;
            let plan = build.pairs(plan)?;
            if target.is_met(By::Key, &plan.layout, plan.partitions) {
                return Ok(plan);
            }
            build.shuffle(&plan, By::Key, target, Order::KeyAscending, None)
        })
    }
}
