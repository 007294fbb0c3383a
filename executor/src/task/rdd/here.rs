use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use howdah_proto::{
    BlockId, MemberId, NodeId, ObjectId, Partition,
    lineage::{NodeKind, StorageLevel},
    pb,
};

use super::{ObjectReader, block, copies, fetch};
use crate::{
    rdd::{RddError, Rows, compute::Surroundings, scope::Objects},
    shuffle::{self, Reducing},
    task::{Assigned, CancelFlag, ContextView, Environment},
};

/// What computing a partition finds on this executor, and reaches from it.
pub(super) struct Here {
    environment: Environment,
    view: Arc<ContextView>,
    member: MemberId,
    cancel: CancelFlag,
    places: Vec<pb::BlockPlace>,
    objects: ObjectReader,
    /// The blocks that were computed to be kept.
    computed: Mutex<Vec<BlockId>>,
}

impl Here {
    pub(super) fn new(assigned: &Assigned<'_>, view: &Arc<ContextView>) -> Self {
        let environment = assigned.environment.clone();
        let objects = ObjectReader::new(assigned.driver.clone(), environment.runtime.clone(), view.context);
        Self {
            environment,
            view: view.clone(),
            member: assigned.member,
            cancel: assigned.cancel.clone(),
            places: assigned.task.places.clone(),
            objects,
            computed: Mutex::default(),
        }
    }

    /// The blocks that this task put into the store and that are there.
    pub(super) fn stored(&self) -> Vec<BlockId> {
        let computed = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        computed.iter().copied().filter(|id| self.environment.store.contains(*id)).collect()
    }

    fn note(&self, id: BlockId) {
        self.computed.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }
}

impl Surroundings for Here {
    fn kept(&self, node: NodeId, partition: Partition) -> Result<Option<Box<dyn Rows>>, RddError> {
        let id = block(&self.view, node, partition);
        if let Some(rows) = self.environment.store.rows(id) {
            return Ok(Some(Box::new(rows)));
        }
        let holds = |place: &&pb::BlockPlace| (place.node, place.partition) == (node.0, partition.0);
        let level = self.view.lineage.get(node).and_then(|node| node.persist);
        for place in self.places.iter().filter(holds) {
            self.check()?;
            if let Some(rows) = copies::fetch(&self.environment, id, &place.address, level) {
                self.note(id);
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    fn keep(
        &self,
        node: NodeId,
        partition: Partition,
        level: StorageLevel,
        rows: Box<dyn Rows>,
    ) -> Result<Box<dyn Rows>, RddError> {
        let id = block(&self.view, node, partition);
        self.note(id);
        Ok(Box::new(self.environment.store.keep(id, level.place, rows)))
    }

    fn shuffled(&self, shuffle: NodeId, partition: Partition) -> Result<Box<dyn Rows>, RddError> {
        let Some(NodeKind::Shuffle(how)) = self.view.lineage.get(shuffle).map(|node| &node.kind) else {
            return Err(RddError::Lineage { node: shuffle, reason: "it is no shuffle".to_owned() });
        };
        let registry = &self.environment.registry;
        let combiner = how.combiner.as_ref().map(|spec| registry.combiner(spec)).transpose()?;
        let wanted = fetch::wanted(&self.view, shuffle, partition, how.order, self.member)?;
        let reducing = Reducing {
            workspace: self.environment.workspace(&self.cancel),
            outputs: self.environment.outputs.clone(),
            peers: self.environment.peers.clone(),
            runtime: self.environment.runtime.clone(),
        };
        shuffle::reduce(&wanted, combiner, &reducing)
    }

    fn check(&self) -> Result<(), RddError> {
        self.cancel.check().map_err(|_| RddError::Cancelled)
    }
}

impl Objects for Here {
    fn object(&self, id: ObjectId) -> Result<Bytes, RddError> {
        self.objects.read(id)
    }
}
