use std::sync::Arc;

use howdah_proto::{
    BlockId, NodeId,
    lineage::{Lineage, NodeKind, OperatorSpec, StoragePlace},
};

use super::{Run, TaskError, compute, peer};
use crate::rdd::Samples;

/// The way to a node, cut at the last persisted node: what is computed once, and what each use does anew.
#[derive(Debug, PartialEq)]
pub(super) struct Plan<'a> {
    /// The persisted node.
    pub(super) block: NodeId,
    /// Where its blocks are kept.
    pub(super) place: StoragePlace,
    /// The operators from the source to the persisted node.
    pub(super) prepare: Vec<&'a OperatorSpec>,
    /// The operators from there to the node.
    pub(super) feed: Vec<&'a OperatorSpec>,
}

impl<'a> Plan<'a> {
    /// Plans the way to `node`.
    pub(super) fn to(lineage: &'a Lineage, node: NodeId) -> Result<Self, TaskError> {
        let path = lineage.path_to(node);
        let place = StoragePlace::Memory;
        let mut plan = Self { block: node, place, prepare: Vec::new(), feed: Vec::new() };
        let mut persisted = false;
        for id in &path {
            let Some(step) = lineage.get(*id) else { continue };
            if let NodeKind::Operator(operator) = &step.kind {
                plan.feed.push(operator);
            }
            if let Some(level) = step.persist {
                persisted = true;
                plan.place = level.place;
                plan.block = *id;
                plan.prepare.append(&mut plan.feed);
            }
        }
        if path.is_empty() {
            return Err(TaskError::Lineage(node, "it is not in the lineage"));
        }
        if !persisted {
            return Err(TaskError::Lineage(node, "no node on its way is persisted"));
        }
        Ok(plan)
    }
}

/// A block that a task needs, and whether it is in the store since then.
pub(super) struct Found {
    pub(super) samples: Arc<Samples>,
    pub(super) stored: Option<BlockId>,
}

/// Finds the persisted block of the task's partition: here, at a peer, or computed again from its lineage.
pub(super) fn find(run: &Run<'_>, plan: &Plan<'_>) -> Result<Found, TaskError> {
    let id = BlockId { context: run.job.blocks, node: plan.block, partition: run.task.partition };
    if let Some(samples) = run.environment.store.get(id) {
        return Ok(Found { samples, stored: None });
    }
    for place in run.task.places.iter().filter(|place| place.node == plan.block.0) {
        run.cancel.check()?;
        match run.environment.runtime.block_on(peer::read(&run.environment.peers, &place.address, id)) {
            Ok(samples) => {
                let samples = Arc::new(samples);
                let is_stored = run.environment.store.put(id, plan.place, samples.clone());
                return Ok(Found { samples, stored: is_stored.then_some(id) });
            }
            Err(error) => tracing::info!(%id, %error, "a peer does not have the block; going on without"),
        }
    }
    let computed = compute::compute(run, plan, &|_, _| {})?;
    Ok(Found { samples: computed.samples, stored: computed.stored })
}

#[cfg(test)]
mod tests {
    use howdah_proto::lineage::StorageLevel;

    use super::*;

    fn operator(name: &str) -> OperatorSpec {
        OperatorSpec { name: name.to_owned(), version: 1, params: serde_json::Value::Null }
    }

    #[test]
    fn the_way_to_a_node_is_cut_at_the_last_persisted_node() {
        let mut lineage = Lineage::new();
        let files = lineage.files();
        let decoded = lineage.operator(files, operator("decode"));
        let resized = lineage.operator(decoded, operator("resize"));
        let flat = lineage.operator(resized, operator("flatten"));
        assert!(Plan::to(&lineage, flat).is_err());
        lineage.persist(resized, Some(StorageLevel::MEMORY));
        let plan = Plan::to(&lineage, flat).unwrap();
        let names = |specs: &[&OperatorSpec]| specs.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
        assert_eq!(plan.block, resized);
        assert_eq!(
            (names(&plan.prepare), names(&plan.feed)),
            (vec!["decode".to_owned(), "resize".to_owned()], vec!["flatten".to_owned()])
        );
        assert!(Plan::to(&lineage, NodeId(99)).is_err());
    }
}
