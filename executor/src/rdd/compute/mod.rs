//! From a node of a lineage to the records of one of its partitions.
//!
//! The way down to the sources is a loop, and what is done record by record becomes one flat list, so that a lineage
//! may be as long as it likes. Only what joins or gathers rows lies in other such rows, up to [`MAX_NESTED`] deep.

mod checked;
mod coalesced;
mod joint;
mod pipeline;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use howdah_proto::{
    NodeId, Partition,
    lineage::{Lineage, StorageLevel},
};

use self::checked::Checked;
use super::{RddError, Registry, Rows, scope::Objects};

/// How deep rows may lie in each other, such that a task's stack certainly holds them.
pub const MAX_NESTED: u32 = 200;

/// How many blocks are kept on one way down at most. What lies further down is computed and not kept.
pub const MAX_KEPT: u32 = 64;

/// What a computation reaches beside its lineage.
pub trait Surroundings: Objects {
    /// The block of a persisted node, from here or from a peer; none if nobody has it.
    ///
    /// # Errors
    /// [`RddError`].
    fn kept(&self, node: NodeId, partition: Partition) -> Result<Option<Box<dyn Rows>>, RddError>;

    /// Keeps the block of a persisted node that is being computed, and hands its rows on.
    ///
    /// # Errors
    /// [`RddError`].
    fn keep(
        &self,
        node: NodeId,
        partition: Partition,
        level: StorageLevel,
        rows: Box<dyn Rows>,
    ) -> Result<Box<dyn Rows>, RddError>;

    /// The records that a shuffle brings to a partition, in its order and combined by its combiner.
    ///
    /// # Errors
    /// [`RddError`].
    fn shuffled(&self, shuffle: NodeId, partition: Partition) -> Result<Box<dyn Rows>, RddError>;

    /// Checks that the records are still wanted; asked at each batch.
    ///
    /// # Errors
    /// [`RddError::Cancelled`].
    fn check(&self) -> Result<(), RddError>;
}

/// What the partitions of a lineage are computed with.
pub struct Computation {
    /// The lineage.
    pub lineage: Lineage,
    /// The functions in it.
    pub registry: Arc<Registry>,
    /// Blocks, shuffles and objects.
    pub surroundings: Arc<dyn Surroundings>,
}

/// Gives the records of a partition of a node. They are computed as they are asked for.
///
/// # Errors
/// [`RddError`] if they can't be computed as the lineage stands; what else may go wrong shows when they are asked for.
pub fn rows(
    computation: &Arc<Computation>,
    node: NodeId,
    partition: Partition,
) -> Result<Box<dyn Rows>, RddError> {
    let rows = walk::open(computation, node, partition, 0)?;
    Ok(Box::new(Checked::new(rows, computation.surroundings.clone())))
}
