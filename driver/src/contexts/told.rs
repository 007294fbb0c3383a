use std::collections::BTreeMap;

use howdah_proto::NodeId;

/// What an executor has been told of a context.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// How many of the lineage's changes.
    pub(super) changes: usize,
    /// Which version of the map outputs of each shuffle.
    pub(super) outputs: BTreeMap<NodeId, u64>,
}
