use howdah_executor::rdd::Data;
use howdah_proto::lineage::NodeKind;

use crate::rdd::{ContextError, Rdd, lineage::Made};

/// # Pairs of records
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let (letters, numbers) = (context.parallelize(['a', 'b'], 2), context.range(1..3, 2));
/// assert_eq!(letters.zip(&numbers).collect().await?, [('a', 1), ('b', 2)]);
/// assert_eq!(letters.zip_with_index().await?.collect().await?, [('a', 0), ('b', 1)]);
/// assert_eq!(letters.cartesian(&numbers).count().await?, 4);
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// Pairs of the records that stand at the same place. Both must have equally many partitions, and these equally many
    /// records.
    pub fn zip<U: Data>(&self, other: &Rdd<U>) -> Rdd<(T, U)> {
        self.derive_with(other, "zip", |build, left, right| {
            if left.partitions != right.partitions {
                let (left, right) = (left.partitions, right.partitions);
                return Err(build.wrong(format!("one RDD has {left} partitions, and the other {right}")));
            }
            build.add(NodeKind::Zip, &[left, right], Made::new(left.partitions))
        })
    }

    /// Pairs of each record and its place. It counts the records of all partitions but the last one, which is a job.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn zip_with_index(&self) -> Result<Rdd<(T, u64)>, ContextError> {
        let last = self.partitions().saturating_sub(1);
        let counts = self.counts("zip_with_index", 0..last).await?;
        Ok(self.derive("zip_with_index", |build, plan| {
            let mut next = 0;
            let mut first = Vec::with_capacity(plan.partitions as usize);
            for place in 0..plan.partitions as usize {
                first.push(next);
                next += counts.get(place).copied().unwrap_or_default();
            }
            build.add(NodeKind::ZipWithIndex { first }, &[plan], Made::new(plan.partitions))
        }))
    }

    /// All pairs of a record of this RDD and one of another.
    pub fn cartesian<U: Data>(&self, other: &Rdd<U>) -> Rdd<(T, U)> {
        self.derive_with(other, "cartesian", |build, left, right| {
            let partitions = build.partitions(u64::from(left.partitions) * u64::from(right.partitions))?;
            build.add(NodeKind::Cartesian, &[left, right], Made::new(partitions))
        })
    }
}
