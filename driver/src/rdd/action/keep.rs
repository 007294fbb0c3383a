use std::path::Path;

use howdah_executor::rdd::Data;
use howdah_proto::{
    lineage::{Node, NodeKind},
    pb::{ComputeAction, action::Kind},
};

pub use howdah_proto::lineage::StorageLevel;

use super::save::absolute;
use crate::rdd::{ContextError, Rdd};

/// # Partitions that are kept
///
/// ```
/// use howdah_driver::rdd::{Context, ContextError, StorageLevel};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(2).start().await?;
/// let numbers = context.range(0..1000, 4).persist(StorageLevel::MEMORY_AND_DISK.twice());
/// assert_eq!(numbers.count().await?, 1000); // computes them
/// assert_eq!(numbers.max().await?, 999); // reads them
/// numbers.unpersist().await?;
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// Keeps the partitions once they are computed: in memory, on disk, or both; on one executor or
    /// [two](StorageLevel::twice). What is lost is computed again.
    pub fn persist(&self, level: StorageLevel) -> Self {
        self.derive("persist", |build, plan| {
            build.graph.persist(plan.node, Some(level));
            Ok(plan.clone())
        })
    }

    /// Keeps the partitions in memory.
    pub fn cache(&self) -> Self {
        self.persist(StorageLevel::MEMORY)
    }

    /// Drops what is kept, and keeps nothing more.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn unpersist(&self) -> Result<(), ContextError> {
        let node = self.plan()?.node;
        self.context().graph().persist(node, None);
        self.context().tell().await?;
        self.context().connection().unpersist(node).await
    }

    /// Computes all partitions, for the sake of keeping them.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn materialize(&self) -> Result<(), ContextError> {
        self.act("materialize", Kind::Compute(ComputeAction {})).await?;
        Ok(())
    }

    /// Saves the records into a new folder that all executors can see, and forgets how they were made: from now on they
    /// are read from there, and what is made of them depends on nothing else. Persist the RDD before if it is dear: it
    /// is computed for this, as for any action.
    ///
    /// ```
    /// # use howdah_driver::rdd::{Context, ContextError};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), ContextError> {
    /// # let context = Context::builder().in_process(1).start().await?;
    /// # let folder = std::env::temp_dir().join(format!("howdah-checkpoint-{}", std::process::id()));
    /// let numbers = context.range(0..1000, 4).distinct();
    /// numbers.checkpoint(&folder).await?;
    /// assert!(!numbers.explain().await?.contains("shuffle"));
    /// # std::fs::remove_dir_all(folder).ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Exists`] if there is something already.
    pub async fn checkpoint(&self, folder: impl AsRef<Path>) -> Result<(), ContextError> {
        let folder = absolute(folder.as_ref())?;
        let plan = self.plan()?;
        self.save_as("checkpoint", &folder).await?;
        let folder = folder.display().to_string();
        let mut graph = self.context().graph();
        let persist = graph.lineage().get(plan.node).and_then(|node| node.persist);
        let kind = NodeKind::Saved { folder };
        let saved = Node { kind, parents: Vec::new(), partitions: plan.partitions, persist };
        graph.define(plan.node, saved).map_err(|error| ContextError::lineage("checkpoint", &error))
    }
}
