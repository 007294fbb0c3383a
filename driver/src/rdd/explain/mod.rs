//! Lineages and their stages as text: pure.

mod draw;
mod kept;
mod lines;
mod words;

use howdah_executor::rdd::Data;

pub use draw::draw;
pub use kept::{Kept, Places};

use super::{ContextError, Rdd};

impl<T: Data> Rdd<T> {
    /// Shows as a tree what it is made of, in which stages, and what of that is kept where.
    ///
    /// ```
    /// # use howdah_driver::rdd::{Context, ContextError};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), ContextError> {
    /// # let context = Context::builder().in_process(1).start().await?;
    /// let numbers = context.range(0..10, 4).repartition(2).glom();
    /// print!("{}", numbers.explain().await?);
    /// // stage 2: 2 tasks
    /// // #2 glom
    /// // #1 shuffle into 2 partitions, in turn
    /// // └─ stage 1: 4 tasks
    /// //    #0 range 0..10
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn explain(&self) -> Result<String, ContextError> {
        let node = self.plan()?.node;
        let described = self.context().connection().describe().await?;
        let kept = described.as_ref().map(Kept::from).unwrap_or_default();
        let lineage = self.context().graph().lineage().clone();
        Ok(draw(&lineage, node, &kept))
    }
}
