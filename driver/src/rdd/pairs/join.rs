use howdah_executor::rdd::Data;
use howdah_proto::lineage::Group;

use super::group::grouped;
use crate::rdd::Rdd;

/// The values of a key that either of two RDDs may lack.
pub type Either<V, W> = (Option<V>, Option<W>);

/// # Joins
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let names = context.parallelize([(1, 'a'), (2, 'b')], 1);
/// let ages = context.parallelize([(2, 8), (3, 9)], 1);
/// assert_eq!(names.join(&ages).collect().await?, [(2, ('b', 8))]);
/// assert_eq!(names.left_outer_join(&ages).collect().await?, [(1, ('a', None)), (2, ('b', Some(8)))]);
/// assert_eq!(names.right_outer_join(&ages).collect().await?, [(2, (Some('b'), 8)), (3, (None, 9))]);
/// assert_eq!(names.full_outer_join(&ages).count().await?, 3);
/// # Ok(())
/// # }
/// ```
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Each two values of a key that both RDDs have.
    pub fn join<W: Data>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (V, W))> {
        self.joined(other, "join", Group::InnerJoin)
    }

    /// The same, and the values whose key `other` lacks.
    pub fn left_outer_join<W: Data>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (V, Option<W>))> {
        self.joined(other, "left_outer_join", Group::LeftOuterJoin)
    }

    /// The same, and the values of `other` whose key this RDD lacks.
    pub fn right_outer_join<W: Data>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Option<V>, W))> {
        self.joined(other, "right_outer_join", Group::RightOuterJoin)
    }

    /// The same, and the values whose key either RDD lacks.
    pub fn full_outer_join<W: Data>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, Either<V, W>)> {
        self.joined(other, "full_outer_join", Group::FullOuterJoin)
    }

    fn joined<W, U>(&self, other: &Rdd<(K, W)>, what: &'static str, group: Group) -> Rdd<U> {
        self.derive_with(other, what, |build, left, right| {
            let plans = [build.pairs(left)?, build.pairs(right)?];
            grouped(build, group, &plans)
        })
    }
}
