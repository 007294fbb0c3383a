use howdah_executor::rdd::Data;
use howdah_proto::lineage::Group;

use super::group::grouped;
use crate::rdd::Rdd;

/// The values of a key in two RDDs.
pub type Two<V, W> = (Vec<V>, Vec<W>);

/// The values of a key in three RDDs.
pub type Three<V, W, X> = (Vec<V>, Vec<W>, Vec<X>);

/// # The values of each key, RDD by RDD
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let (names, ages) = (context.parallelize([(1, 'a')], 1), context.parallelize([(1, 7), (1, 9), (2, 8)], 1));
/// let both = names.cogroup(&ages).collect().await?;
/// assert_eq!(both, [(1, (vec!['a'], vec![7, 9])), (2, (vec![], vec![8]))]);
/// # Ok(())
/// # }
/// ```
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The values of each key in both RDDs.
    pub fn cogroup<W: Data>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, Two<V, W>)> {
        self.derive_with(other, "cogroup", |build, left, right| {
            let plans = [build.pairs(left)?, build.pairs(right)?];
            grouped(build, Group::Cogroup, &plans)
        })
    }

    /// The values of each key in three RDDs.
    pub fn cogroup3<W: Data, X: Data>(
        &self,
        second: &Rdd<(K, W)>,
        third: &Rdd<(K, X)>,
    ) -> Rdd<(K, Three<V, W, X>)> {
        let (last, context) = (third.plan().cloned(), third.context());
        let last = last.and_then(|plan| {
            let same = context.is(self.context());
            if same { Ok(plan) } else { third.within(self.context()).plan().cloned() }
        });
        self.derive_with(second, "cogroup3", |build, first, second| {
            let plans = [build.pairs(first)?, build.pairs(second)?, build.pairs(&last?)?];
            grouped(build, Group::Cogroup, &plans)
        })
    }
}
