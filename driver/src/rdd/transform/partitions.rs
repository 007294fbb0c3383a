use howdah_executor::rdd::Data;
use howdah_proto::lineage::{NodeKind, Reshape};

use crate::rdd::{Rdd, lineage::Made};

/// # Partitions
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let numbers = context.range(0..6, 3);
/// assert_eq!(numbers.coalesce(2).glom().collect().await?, [vec![0, 1], vec![2, 3, 4, 5]]);
/// assert_eq!(numbers.repartition(10).partitions(), 10);
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// Brings neighbouring partitions together until there are at most so many. Nothing is shuffled.
    pub fn coalesce(&self, partitions: u32) -> Self {
        self.derive("coalesce", |build, plan| {
            if partitions == 0 {
                return Err(build.wrong("it needs a partition"));
            }
            if partitions >= plan.partitions {
                return Ok(plan.clone());
            }
            let made = Made { shape: plan.shape, ..Made::new(partitions) };
            build.add(NodeKind::Coalesce, &[plan], made)
        })
    }

    /// Deals the records out evenly to so many partitions.
    pub fn repartition(&self, partitions: u32) -> Self {
        self.derive("repartition", |build, plan| {
            if partitions == 0 {
                return Err(build.wrong("it needs a partition"));
            }
            let partitions = build.partitions(u64::from(partitions))?;
            build.deal(plan, partitions)
        })
    }

    /// Makes one list of each partition.
    pub fn glom(&self) -> Rdd<Vec<T>> {
        self.derive("glom", |build, plan| {
            build.add(NodeKind::Reshape(Reshape::Glom), &[plan], Made::new(plan.partitions))
        })
    }
}
