use howdah_executor::rdd::Data;
use howdah_proto::lineage::{Group, NodeKind};

use crate::rdd::{
    ContextError, Rdd,
    lineage::{Build, By, Made, Plan},
};

/// # RDDs as sets
///
/// Records are equal if they are encoded alike, as all are but hash maps and hash sets.
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let (low, high) = (context.range(0..6, 3), context.range(3..9, 2));
/// assert_eq!(low.union(&high).count().await?, 12);
/// assert_eq!(low.union(&high).distinct().count().await?, 9);
/// assert_eq!(low.intersection(&high).take_ordered(9).await?, [3, 4, 5]);
/// assert_eq!(low.subtract(&high).take_ordered(9).await?, [0, 1, 2]);
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// The records of both, those of `other` last.
    pub fn union(&self, other: &Self) -> Self {
        Self::join_all(self.context(), "union", &[self.clone(), other.clone()])
    }

    /// Each record once.
    pub fn distinct(&self) -> Self {
        self.derive("distinct", |build, plan| {
            let plan = build.records(plan)?;
            as_sets(build, Group::Distinct, &[plan])
        })
    }

    /// Each record that is in both, once.
    pub fn intersection(&self, other: &Self) -> Self {
        self.derive_with(other, "intersection", |build, left, right| {
            let plans = [build.records(left)?, build.records(right)?];
            as_sets(build, Group::Intersection, &plans)
        })
    }

    /// The records that `other` lacks, as often as they come.
    pub fn subtract(&self, other: &Self) -> Self {
        self.derive_with(other, "subtract", |build, left, right| {
            let plans = [build.records(left)?, build.records(right)?];
            as_sets(build, Group::Subtract, &plans)
        })
    }
}

fn as_sets(build: &mut Build<'_>, group: Group, plans: &[Plan]) -> Result<Plan, ContextError> {
    let plans = build.meet(By::Record, plans)?;
    let made = Made::like(&plans[0]).unmarked();
    build.add(NodeKind::Group(group), &plans.iter().collect::<Vec<_>>(), made)
}
