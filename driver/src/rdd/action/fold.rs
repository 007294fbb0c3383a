use howdah_executor::rdd::{Aggregate, Data, Failure, Kind as FunctionKind, Number, Reduce, Sum, spec_of};
use howdah_proto::{
    lineage::{NodeKind, OperatorSpec},
    pb::{FoldAction, action::Kind},
};

use crate::rdd::{
    ContextError, Rdd,
    lineage::{Build, Made, Plan},
    records,
};

/// # All records merged into one value
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError, Max, Sum};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let numbers = context.range(1..5, 2);
/// assert_eq!(numbers.reduce(Max::default()).await?, 4);
/// assert_eq!(numbers.sum().await?, 10);
/// assert_eq!(context.empty::<i64>().sum().await?, 0);
/// assert!(context.empty::<i64>().reduce(Sum::default()).await.is_err());
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// Makes one value of all records, in any grouping.
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Empty`] if there is no record.
    pub async fn reduce<F: Reduce<Value = T>>(&self, function: F) -> Result<T, ContextError> {
        self.reduced("reduce", function).await?.ok_or(ContextError::Empty { action: "reduce" })
    }

    /// Makes one value of all records, which begins with the function's zero in each partition.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn fold<F: Aggregate<Value = T, Accumulator = T>>(
        &self,
        function: F,
    ) -> Result<T, ContextError> {
        self.aggregated("fold", function, 1).await
    }

    /// Gathers all records in one accumulator.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn aggregate<F: Aggregate<Value = T>>(
        &self,
        function: F,
    ) -> Result<F::Accumulator, ContextError> {
        self.aggregated("aggregate", function, 1).await
    }

    /// Gathers all records in one accumulator, in so many levels: executors merge the accumulators of many partitions
    /// before a few come back. It pays if accumulators are large, or partitions many. A depth of 2 is usual.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn tree_aggregate<F: Aggregate<Value = T>>(
        &self,
        function: F,
        depth: u32,
    ) -> Result<F::Accumulator, ContextError> {
        self.aggregated("tree_aggregate", function, depth).await
    }

    async fn reduced<F: Reduce<Value = T>>(
        &self,
        what: &'static str,
        mut function: F,
    ) -> Result<Option<T>, ContextError> {
        let spec = spec_of(&function);
        self.checked(what, &spec, FunctionKind::Reduce)?;
        let mut sum = None;
        for part in self.parts::<T>(what, &spec, false).await? {
            sum = Some(match sum {
                None => part,
                Some(sum) => function.reduce(sum, part).map_err(|failure| self.failed(what, &failure))?,
            });
        }
        Ok(sum)
    }

    async fn aggregated<F: Aggregate<Value = T>>(
        &self,
        what: &'static str,
        mut function: F,
        depth: u32,
    ) -> Result<F::Accumulator, ContextError> {
        let spec = spec_of(&function);
        self.checked(what, &spec, FunctionKind::Aggregate)?;
        let parts = if depth > 1 {
            let tree: Self = self.derive(what, |build, plan| tree(build, plan, &spec, depth));
            tree.parts(what, &spec, true).await?
        } else {
            self.parts(what, &spec, false).await?
        };
        let mut sum = function.zero().map_err(|failure| self.failed(what, &failure))?;
        for part in parts {
            function.merge(&mut sum, part).map_err(|failure| self.failed(what, &failure))?;
        }
        Ok(sum)
    }

    /// The accumulators of all partitions that have records.
    async fn parts<A: Data>(
        &self,
        what: &'static str,
        combiner: &OperatorSpec,
        combined: bool,
    ) -> Result<Vec<A>, ContextError> {
        let action = Kind::Fold(FoldAction { combiner: Some(combiner.into()), combined });
        let mut parts = Vec::new();
        for frames in self.act(what, action).await?.values() {
            records::decode_frames(what, frames, usize::MAX, &mut parts)?;
        }
        Ok(parts)
    }

    /// Checks that a function of an action is registered.
    pub(super) fn checked(
        &self,
        what: &'static str,
        function: &OperatorSpec,
        kind: FunctionKind,
    ) -> Result<(), ContextError> {
        self.plan()?;
        let wrong = |reason| ContextError::Unregistered { transformation: what, reason };
        self.context().registry().expect(function, kind).map_err(wrong)
    }

    fn failed(&self, what: &'static str, failure: &Failure) -> ContextError {
        ContextError::Failed { job: what.to_owned(), error: failure.message.clone(), hint: String::new() }
    }
}

impl<N: Number> Rdd<N> {
    /// Adds all records; 0 if there is none.
    ///
    /// # Errors
    /// [`ContextError`]; it fails if the sum of integers doesn't fit their type.
    pub async fn sum(&self) -> Result<N, ContextError> {
        Ok(self.reduced("sum", Sum::default()).await?.unwrap_or_default())
    }
}

/// Merges the records of each partition, and then those of ever fewer partitions. As Spark's `treeAggregate` does.
fn tree(
    build: &mut Build<'_>,
    plan: &Plan,
    combiner: &OperatorSpec,
    depth: u32,
) -> Result<Plan, ContextError> {
    let partial = |build: &mut Build<'_>, plan: &Plan, combined| {
        let kind = NodeKind::Partial { combiner: combiner.clone(), combined };
        build.add(kind, &[plan], Made::new(plan.partitions).unmarked())
    };
    let mut merged = partial(build, plan, false)?;
    for partitions in levels(plan.partitions, depth) {
        let dealt = build.deal(&merged, partitions)?;
        merged = partial(build, &dealt, true)?;
    }
    Ok(merged)
}

/// How many partitions there are at each level of a tree.
fn levels(mut partitions: u32, depth: u32) -> Vec<u32> {
    let scale = (f64::from(partitions).powf(1.0 / f64::from(depth)).ceil() as u32).max(2);
    let mut levels = Vec::new();
    while partitions > scale.saturating_add(partitions.div_ceil(scale)) {
        partitions /= scale;
        levels.push(partitions);
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_about_as_many_branches_at_each_level() {
        assert_eq!(levels(100, 2), [10]);
        assert_eq!(levels(1000, 3), [100, 10]);
        assert!(levels(4, 2).is_empty());
        assert!(levels(0, 2).is_empty());
        assert_eq!(levels(9, 40), [4]);
    }
}
